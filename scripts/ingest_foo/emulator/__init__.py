"""An ANT stick in software, below pyusb: for tests, and for demonstrations without hardware."""
