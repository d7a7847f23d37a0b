"""Gates that rest on no series: another system is asked, and its word counts."""
