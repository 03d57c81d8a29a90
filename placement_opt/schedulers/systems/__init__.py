"""The rules of published systems, as far as they say which block lies where; built on
:mod:`placement_opt.schedulers.attention`."""
