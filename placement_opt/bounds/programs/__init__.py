"""Linear and integer programs, and the one door to HiGHS."""
