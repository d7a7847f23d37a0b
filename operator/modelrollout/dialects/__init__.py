"""What each gateway calls its metrics: one file a gateway, one registry; plain data that knows no resource.

They stand below the API, since the operator's configuration names them, and below the analysis, which reads them.
"""
