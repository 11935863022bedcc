package upgrade_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// TestUpgrade_handsOver has 64 MiB handed over twice.
func TestUpgrade_handsOver(t *testing.T) {
	t.Parallel()
	p := quick()
	p.State = 64 << 20
	r := newRig(t, p)
	want := fmt.Sprintf("%x", sha256.Sum256(bytes.Repeat([]byte("goshawk!"), p.State/8)))
	if a := r.about(); a.Loaded.Bytes != 0 {
		t.Errorf("the first version has loaded %d bytes", a.Loaded.Bytes)
	}
	for n := range 2 {
		o := r.upgraded(n)
		r.answers(o.PID)
		if a := r.about(); a.Loaded.Bytes != p.State || a.Loaded.Digest != want {
			t.Errorf("%+v", a.Loaded)
		}
		e := r.entered(n+2, upgrade.Probation)
		if e.Reason != "" {
			t.Errorf("%q", e.Reason)
		}
	}
}

// TestUpgrade_beginsAnew has a new version that cannot use what it is given: it says so, and
// serves.
func TestUpgrade_beginsAnew(t *testing.T) {
	t.Parallel()
	p := quick()
	p.State = 1 << 10
	r := newRig(t, p)
	for n, c := range []struct{ harm, reason string }{
		{"refuse load", "it is of no use"},
		{"change load", "it is of version 1, this process reads 2"},
	} {
		r.harm(c.harm)
		o := r.upgraded(n)
		r.answers(o.PID)
		if a := r.about(); a.Loaded.Bytes != 0 {
			t.Errorf("%s: %+v", c.harm, a.Loaded)
		}
		e := r.await("it is in probation", func(e upgrade.Event) bool {
			return e.PID == o.PID && e.State == upgrade.Probation && e.From == upgrade.Warming
		})
		if !strings.Contains(e.Reason, upgrade.ErrHandover.Error()) || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%s: %q", c.harm, e.Reason)
		}
		r.harm("")
	}
}

// TestUpgrade_resumesTLSSessions has a client that has talked to one version, and then does to
// others.
func TestUpgrade_resumesTLSSessions(t *testing.T) {
	t.Parallel()
	p := quick()
	p.TLS = true
	r := newRig(t, p)
	cache := tls.NewLRUClientSessionCache(1)
	ask := func() (pid string, resumed bool) {
		t.Helper()
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache}}
		a, err := (&http.Client{Transport: transport, Timeout: patience}).Get(r.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), a.TLS.DidResume
	}
	if pid, resumed := ask(); resumed || pid != pidText(r.serving()) {
		t.Fatalf("%s, %v", pid, resumed)
	}
	for n := range 2 {
		o := r.upgraded(n)
		r.answers(o.PID)
		if pid, resumed := ask(); !resumed || pid != pidText(o.PID) {
			t.Errorf("upgrade %d: %s, resumed: %v", n, pid, resumed)
		}
	}
	// Nor does a version that did not pass take the keys with it.
	r.harm("refuse gate")
	r.signal(unix.SIGUSR2)
	r.outcome(2)
	r.answers(r.serving())
	if pid, resumed := ask(); !resumed || pid != pidText(r.serving()) {
		t.Errorf("%s, resumed: %v", pid, resumed)
	}
}
