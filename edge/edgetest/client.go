package edgetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Client keeps one connection alive and repeats nothing: what fails, fails.
// (Go's own client repeats in silence what it may.)
type Client struct {
	Addr string
	From string // its own address on the loopback; any if empty
	conn net.Conn
	in   *bufio.Reader
}

// Do sends one request and returns the side that answered, and its body.
func (c *Client) Do(method, path, body string, header map[string]string) (side, text string, err error) {
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.conn == nil {
		var d net.Dialer
		if c.From != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.From)}
		}
		if c.conn, err = d.Dial("tcp", c.Addr); err != nil {
			return "", "", err
		}
		c.in = bufio.NewReader(c.conn)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: edge\r\n", method, path)
	for k, v := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	_ = c.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return "", "", err
	}
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return "", "", err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return "", "", err
	}
	if resp.Close { // as it may: the next request takes a new one
		c.Close()
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, raw)
	}
	return resp.Header.Get("X-Side"), string(raw), nil
}

// Close drops the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
