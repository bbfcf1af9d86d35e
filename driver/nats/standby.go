package nats

import "context"

// dormant reports whether a consumer delivers nothing, and nothing is
// published that it would have to: it is paused, and its stream owns none of
// its subjects. Whoever gives the stream its subjects says where it begins.
func (c *Conn) dormant(ctx context.Context, stream string, info *consumerInfo) (bool, error) {
	if !info.Paused || info.AckPending > 0 {
		return false, nil
	}
	s, err := c.stream(ctx, stream)
	if err != nil || s == nil {
		return false, err
	}
	of, _ := overlapping(s.subjects(), narrow(info.filters(), nil))
	return len(of) == 0, nil
}

// standsBy reports whether all that a consumer has yet to deliver are copies
// that its stream has taken from the one that owns their subjects now: another
// consumer reads the originals there, and this one is paused until its stream
// has the subjects again.
func (c *Conn) standsBy(ctx context.Context, stream string, info *consumerInfo) (bool, error) {
	if info.Pending == 0 {
		return false, nil
	}
	if dormant, err := c.dormant(ctx, stream, info); err != nil || !dormant {
		return false, err
	}
	for _, filter := range narrow(info.filters(), nil) {
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
