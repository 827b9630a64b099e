"""Which tracks does a file hold? Positions at equal times, whatever program wrote them.

A file is a table with a row for each point of each track, or holds arrays whose rows are the points.
`reading.read_track_file` chooses by the file's ending: `delimited` reads text, also TrackMate's,
`hierarchies` NumPy, HDF5 and Zarr, and `hdf_tables` what pandas and trackpy keep in
HDF5. `table` and `arrays` make tracks of them, and `parts` splits tracks at gaps.
"""
