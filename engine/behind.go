package engine

// Behind names the readings that say how far behind the background work of a
// step is. No check can be called so.
func Behind(step string) string { return "step " + step }
