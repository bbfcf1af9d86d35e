package main

import (
	"strings"
	"testing"
)

func TestLastLine(t *testing.T) {
	got, err := lastLine([]byte(`{"nginx_actuation_ratio": 0.12345, "nginx_failed_requests": 0, "haproxy_failed_requests": 3, "shadow_p99_ratio": 1.01}`))
	if want := "edge: nginx_actuation_ratio=0.123 nginx_failed_requests=0 haproxy_failed_requests=3 shadow_p99_ratio=1.010"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := lastLine([]byte(`{"nginx_actuation_ratio": 1, "nginx_failed_requests": 0, "haproxy_failed_requests": null}`)); err == nil || !strings.Contains(err.Error(), "haproxy_failed_requests") {
		t.Errorf("a figure that is missing: %v", err)
	}
}
