"""The sections of a report, one file each: every one takes what is reported on and gives blocks, reading only what is
stored."""
