"""Search among whole schedules, behind the policies that know the future."""
