package nginx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An answer is what the running NGINX says of a split and a key.
type answer struct {
	generation string
	bucket     int // 0 to 9999
	side       string
}

// errSilent: nobody answers on the control port.
var errSilent = errors.New("nobody answers on the control port")

// errStranger: somebody else does, or NGINX knows no such split.
var errStranger = errors.New("the control port is not of this split")

// ask asks on the control port where a key goes.
func (c *Conn) ask(ctx context.Context, split, key string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.p.Control+"/split?key="+url.QueryEscape(key), nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = hostOf(split)
	req.Close = true // each question is to a worker that takes new connections
	resp, err := control.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return answer{}, fmt.Errorf("%s: %w %s", c, errSilent, c.p.Control)
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: control port: %w", c, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return answer{}, fmt.Errorf("%s: control port: %w", c, err)
	}
	// segue NAME GENERATION 12 34 SIDE
	f := strings.Fields(string(raw))
	if resp.StatusCode != http.StatusOK || len(f) != 6 || f[0] != "segue" || f[1] != split {
		return answer{}, fmt.Errorf("%s: %w: %s on %s", c, errStranger, resp.Status, c.p.Control)
	}
	coarse, err1 := strconv.Atoi(f[3])
	fine, err2 := strconv.Atoi(f[4])
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, fmt.Errorf("%s: control port: %w", c, err)
	}
	return answer{f[2], 100*coarse + fine, f[5]}, nil
}

var control = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}

func hostOf(split string) string { return split + ".split.segue" }

// portFree fails when the control port is somebody else's. NGINX may have it
// for another split.
func (c *Conn) portFree(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.p.Control)
	if err == nil {
		return l.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: control port %s: %w", c, c.p.Control, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.p.Control+"/split", nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if resp, err := control.Do(req.WithContext(ctx)); err == nil {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		_ = resp.Body.Close()
		if strings.HasPrefix(string(raw), "segue ") {
			return nil
		}
	}
	return c.refused("the control port "+c.p.Control+" is taken by another program", "give control another that is free")
}
