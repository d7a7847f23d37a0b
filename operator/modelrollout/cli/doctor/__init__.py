"""`doctor`: facts are read (reading), pure checks make findings of them (checks), and the findings are shown (show)."""
