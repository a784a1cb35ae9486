"""What learns: loop, losses, networks and export; knows no TFX component and no Kubernetes."""
