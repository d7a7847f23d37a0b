"""The ModelRollout resource as typed models: everything a manifest may say is decided in this folder."""
