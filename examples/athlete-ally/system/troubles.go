package system

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The causes of what the seed's troubleshooting chapter describes.

// DeleteDurable takes a durable away under its readers: "Consumer Not Binding
// to New Stream".
func (s *System) DeleteDurable(ctx context.Context, stream, durable string) error {
	nc, err := nats.Connect(s.Env.NATSURL, nats.Name("fault"))
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	if err := js.DeleteConsumer(ctx, stream, durable); err != nil {
		return fmt.Errorf("delete durable %s of %s: %w", durable, stream, err)
	}
	return nil
}

// Variables that say where normalize may read.
const (
	coreCandidates   = "AA_STREAM_CANDIDATES"
	vendorCandidates = "AA_VENDOR_STREAM_CANDIDATES"
)

// PinNormalize lets every instance of normalize read HRV from one stream alone,
// and vendor data from another. When these are the new ones, nobody reads what
// the old stream has: "Messages Stuck in Old Stream".
func (s *System) PinNormalize(ctx context.Context, core, vendor string) error {
	for i := range s.Env.NormalizeURLs {
		if err := s.SetEnv(ctx, Normalize(i), map[string]string{coreCandidates: core, vendorCandidates: vendor}); err != nil {
			return err
		}
	}
	return nil
}

// UnpinNormalize leaves the candidates to their defaults again.
func (s *System) UnpinNormalize(ctx context.Context) error {
	for i := range s.Env.NormalizeURLs {
		if err := s.SetEnv(ctx, Normalize(i), nil, coreCandidates, vendorCandidates); err != nil {
			return err
		}
	}
	return nil
}

// RefuseConnections makes PostgreSQL, which runs on, end every connection to
// the services' database and take no new one, or ends that: "Database
// Connection Errors". For a server that does not answer at all, stop Postgres.
func (s *System) RefuseConnections(ctx context.Context, on bool) (err error) {
	u, err := url.Parse(s.Env.DatabaseURL)
	if err != nil {
		return errors.New("DATABASE_URL is not a URL") // which the error would show
	}
	database := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres" // what goes on in a database is decided beside it
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return fmt.Errorf("refuse connections: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", pgx.Identifier{database}.Sanitize(), !on)); err != nil {
		return fmt.Errorf("refuse connections: %w", err)
	}
	if !on {
		return nil
	}
	// Those of a superuser are not ours to end.
	_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user", database)
	if err != nil {
		return fmt.Errorf("end the connections: %w", err)
	}
	return nil
}
