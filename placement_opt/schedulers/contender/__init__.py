"""An online policy from life tables and prices."""
