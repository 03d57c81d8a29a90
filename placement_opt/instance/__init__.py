"""The question: a memory system, a trace and the rules, validated once and named by a hash."""
