"""What the end-to-end tests are written with: a rollout on real components, people's hands, operators, leaders."""
