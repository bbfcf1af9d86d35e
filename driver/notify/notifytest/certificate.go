package notifytest

import (
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// Certificate is one for 127.0.0.1, for a Mailbox, and the PEM file of who signed it.
func Certificate(t testing.TB) (config *tls.Config, ca string) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12}, ca
}
