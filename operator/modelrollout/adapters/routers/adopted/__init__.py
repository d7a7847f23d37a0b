"""An HTTPRoute that Git owns: the weights of one rule and one mark are the operator's, all else is left as it is."""
