"""CURRENNT's files: netCDF data, networks, autosaves, outputs."""
