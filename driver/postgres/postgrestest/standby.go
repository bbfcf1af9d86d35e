package postgrestest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Standby starts a hot standby that follows the server, and ends it with the test.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.standby()
	if err != nil {
		t.Fatalf("start a standby: %v", err)
	}
	t.Cleanup(standby.close)
	return standby
}

func (s *Server) standby() (_ *Server, err error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, fmt.Errorf("directory of the server: %w", err)
	}
	b := &Server{dir: dir, bin: s.bin, cred: s.cred, settings: s.settings}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if s.cred != nil {
		if err := os.Chown(dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return nil, fmt.Errorf("directory of the server: %w", err)
		}
	}
	if b.leash, err = watch(dir); err != nil {
		return nil, err
	}
	// The form of a URL would have the password in the list of processes.
	pass := filepath.Join(dir, "pass")
	line := fmt.Sprintf("127.0.0.1:%d:*:%s:%s\n", s.port, User, Password)
	if err := os.WriteFile(pass, []byte(line), 0o600); err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	if s.cred != nil {
		if err := os.Chown(pass, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return nil, fmt.Errorf("password file: %w", err)
		}
	}
	base := b.command("pg_basebackup", "--pgdata="+b.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--no-password",
		"--host=127.0.0.1", fmt.Sprintf("--port=%d", s.port), "--username="+User)
	base.Env = append(base.Env, "PGPASSFILE="+pass)
	if out, err := base.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if b.port, err = freePort(); err != nil {
		return nil, err
	}
	return b, b.launch()
}
