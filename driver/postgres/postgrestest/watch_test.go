package postgrestest_test

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// TestHelperStartsAServer is the process that the next test kills.
func TestHelperStartsAServer(t *testing.T) {
	if os.Getenv("SEGUE_TEST_HELPER") == "" {
		return
	}
	s := postgrestest.Start(t)
	_, _ = os.Stdout.WriteString(s.URL("postgres") + "\n")
	<-t.Context().Done()
}

func TestAServerEndsWithTheTestsThatWereKilled(t *testing.T) {
	helper := exec.Command(os.Args[0], "-test.run=^TestHelperStartsAServer$") //nolint:gosec,noctx // this very test
	helper.Env = append(os.Environ(), "SEGUE_TEST_HELPER=1")
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the helper starts no server")
	}
	url := lines.Text()
	postgrestest.Value(t, url, "select 1")
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return
		}
		_ = conn.Close(t.Context())
	}
	t.Error("the server outlives the tests that started it")
}
