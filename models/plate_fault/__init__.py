"""Kind of fault of a steel plate from measures of its picture, learned from Steel Plates Faults."""
