"""The route, its Gateway and other routes."""
