package natstest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// nodeVariable says in a process's environment which node it is.
const nodeVariable = "SEGUE_NATSTEST_NODE"

// node is what a node needs to know that is a process of its own.
type node struct {
	Index int           `json:"index"`
	Ports []int         `json:"ports"`
	Dirs  [nodes]string `json:"dirs"`
}

// Separate starts a cluster whose nodes are processes of their own, as they are
// where they serve: for measuring. It ends with the test. Each node is the test's
// own program once more, whose TestMain must call ServeNode before it does anything.
// Of its methods only those work that need no look into a node.
func Separate(t testing.TB) *Nodes {
	t.Helper()
	ports, err := freePorts(2 * nodes)
	if err != nil {
		t.Fatal(err)
	}
	dirs := under(t.TempDir())
	for i := range nodes {
		self, err := json.Marshal(node{i, ports, dirs})
		if err != nil {
			t.Fatal(err)
		}
		// Tests clean up with it after their context has ended.
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
		cmd.Env = append(os.Environ(), nodeVariable+"="+string(self))
		cmd.Stderr = os.Stderr
		open, err := cmd.StdinPipe() // it ends when this is closed, also by the death of this process
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatalf("start node %d: %v", i+1, err)
		}
		t.Cleanup(func() {
			_ = open.Close()
			_ = cmd.Wait()
		})
	}
	n := &Nodes{opts: options(ports, dirs)}
	if err := n.warm(); err != nil {
		t.Fatal(err)
	}
	return n
}

// ServeNode serves as a node if Separate has started this process as one, until it
// is to end, and reports whether it did.
func ServeNode() (served bool) {
	raw := os.Getenv(nodeVariable)
	if raw == "" {
		return false
	}
	if err := serve(raw); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return true
}

func serve(raw string) error {
	var self node
	if err := json.Unmarshal([]byte(raw), &self); err != nil {
		return fmt.Errorf("read $%s: %w", nodeVariable, err)
	}
	n := &Nodes{opts: options(self.Ports, self.Dirs)}
	if err := n.start(self.Index); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	n.Stop()
	return err
}
