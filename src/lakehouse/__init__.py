"""An AWS data lakehouse that runs the same on a laptop and on AWS."""
