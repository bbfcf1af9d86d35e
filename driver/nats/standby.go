package nats

import "context"

// standsBy reports whether all that a consumer has yet to deliver are copies
// that its stream has taken from the one that owns their subjects now: another
// consumer reads the originals there, and this one is paused until its stream
// has the subjects again.
func (c *Conn) standsBy(ctx context.Context, stream string, info *consumerInfo) (bool, error) {
	if !info.Paused || info.Pending == 0 || info.AckPending > 0 {
		return false, nil
	}
	s, err := c.stream(ctx, stream)
	if err != nil || s == nil {
		return false, err
	}
	filters := narrow(info.filters(), nil)
	if of, _ := overlapping(s.subjects(), filters); len(of) > 0 {
		return false, nil // what is published still comes here
	}
	for _, filter := range filters {
		next, err := c.message(ctx, stream, map[string]any{"seq": info.Delivered.Stream + 1, "next_by_subj": filter})
		if err != nil {
			return false, err
		}
		// After the first copy there are only copies: the stream owns nothing.
		if next != nil && next.header(sourceHeader) == "" {
			return false, nil
		}
	}
	return true, nil
}
