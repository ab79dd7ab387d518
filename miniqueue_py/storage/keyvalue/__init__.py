"""Libraries that keep keys in order on a disk, behind one seam."""
