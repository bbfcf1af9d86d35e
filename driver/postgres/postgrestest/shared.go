package postgrestest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Shared is one server for all tests of a package, started by the first that
// asks. The zero value is ready to use.
type Shared struct {
	once    sync.Once
	server  *Server
	err     error
	mu      sync.Mutex
	counted int
}

// Run runs the tests and then ends the server; TestMain exits with the result.
func (s *Shared) Run(m *testing.M) int {
	code := m.Run()
	if s.server != nil {
		s.server.close()
	}
	return code
}

// Server is the server itself. Its tests share it: stop none but your own.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = start() })
	if s.err != nil {
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
	return s.server
}

// Database makes a fresh, empty database for one test and returns its URL.
func (s *Shared) Database(t testing.TB) string {
	t.Helper()
	server := s.Server(t)
	s.mu.Lock()
	s.counted++
	name := fmt.Sprintf("test_%d", s.counted)
	s.mu.Unlock()
	Exec(t, server.URL("postgres"), "create database "+name)
	return server.URL(name)
}

// Exec runs SQL, several statements if need be, and fails the test if it fails.
func Exec(t testing.TB, url, sql string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Value returns the only value of a query as text, "" for none or NULL.
func Value(t testing.TB, url, query string) string {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx)
	res := conn.PgConn().ExecParams(ctx, query, nil, nil, nil, nil).Read()
	if res.Err != nil {
		t.Fatalf("%s: %v", query, res.Err)
	}
	if len(res.Rows) == 0 || len(res.Rows[0]) == 0 {
		return ""
	}
	return string(res.Rows[0][0])
}
