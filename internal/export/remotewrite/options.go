package remotewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// The values that a zero option stands for.
const (
	DefaultEvery      = 5 * time.Second
	DefaultMaxAge     = 24 * time.Hour
	DefaultMaxSamples = 2000
	DefaultMaxBytes   = 1 << 20
)

// Protocol is a version of remote write.
type Protocol string

// The versions.
const (
	// Auto is V2, and V1 for a receiver that does not know that.
	Auto Protocol = ""
	V1   Protocol = "1.0"
	V2   Protocol = "2.0"
)

// Source is where samples are read from; [series.Engine] is one.
type Source interface {
	Tail(ctx context.Context, span series.Span) (stored []series.Stored, newest int64, err error)
}

// Poster posts to a receiver.
type Poster interface {
	// Post posts a body with these headers, and those that it has to add. Whatever
	// the status is, it returns the answer, without redirects being followed, and
	// with a body that is bounded and need not be closed; an error says that there
	// was none in time. Neither shows a secret.
	Post(ctx context.Context, header http.Header, body []byte) (*http.Response, error)
}

// Options configures [New]. Name, Source and Poster must be set.
type Options struct {
	// Name tells the receiver from others. It has letters, digits, -, _ and . only.
	Name   string
	Source Source
	Poster Poster
	// Dir is the folder for the file of what was acknowledged, called
	// remote-write-NAME.json; empty keeps it in memory. A receiver that has none
	// begins with the samples of the last five minutes.
	Dir string
	// Protocol is the version; the zero value is [Auto].
	Protocol Protocol
	// Labels are added to every series that has no label of the name itself; an
	// empty value takes one away that is there by default. By default there are
	// job="goshawk", instance=Host and those of OTEL_RESOURCE_ATTRIBUTES, of which
	// service.name is the job and service.instance.id the instance.
	Labels map[string]string
	// Getenv returns environment variables; nil means [os.Getenv].
	Getenv func(string) string
	// Host is this host's name; empty means [os.Hostname].
	Host string
	// Metrics are patterns of [path.Match] for the names of the metrics to send;
	// none stands for all.
	Metrics []string
	// Every is how often samples are read.
	Every time.Duration
	// MaxAge is how old a sample may be that is sent.
	MaxAge time.Duration
	// MaxSamples and MaxBytes bound a request; the bytes are about those before
	// compression.
	MaxSamples, MaxBytes int
	// Log hears when a receiver begins to fail or to refuse and when that ends; nil
	// discards it.
	Log *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Random returns numbers from 0 to below 1 for the time between attempts; nil
	// means [rand.Float64].
	Random func() float64
}

func (o Options) withDefaults() Options {
	o.Every = cmp.Or(o.Every, DefaultEvery)
	o.MaxAge = cmp.Or(o.MaxAge, DefaultMaxAge)
	o.MaxSamples = cmp.Or(o.MaxSamples, DefaultMaxSamples)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Host == "" {
		// A host that does not know its name goes without.
		o.Host, _ = os.Hostname()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// check says what is wrong with options that have their defaults.
func (o *Options) check() error {
	switch {
	case o.Name == "" || strings.ContainsFunc(o.Name, func(r rune) bool { return !isNameRune(r) }):
		return fmt.Errorf("the name %q: has other than letters, digits, -, _ and ., or nothing", o.Name)
	case o.Source == nil || o.Poster == nil:
		return errors.New("it has nothing to read from, or nothing to post with")
	case o.Protocol != Auto && o.Protocol != V1 && o.Protocol != V2:
		return fmt.Errorf("the protocol %q: is neither %s nor %s", o.Protocol, V1, V2)
	case o.Every < 0 || o.MaxAge < 0 || o.MaxSamples < 0 || o.MaxBytes < 0:
		return errors.New("a bound is negative")
	}
	for name, value := range o.Labels {
		if err := CheckLabel(name, value); err != nil {
			return fmt.Errorf("the label %q %w", name, err)
		}
	}
	for _, pattern := range o.Metrics {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("the pattern %q: %w", pattern, err)
		}
	}
	return nil
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}

// wanted returns what chooses metrics, nil for all.
func (o *Options) wanted() func(metric string) bool {
	if len(o.Metrics) == 0 {
		return nil
	}
	return func(metric string) bool {
		for _, pattern := range o.Metrics {
			if ok, _ := path.Match(pattern, metric); ok {
				return true
			}
		}
		return false
	}
}

// Stats is how a receiver stands, and counts since the start.
type Stats struct {
	// Name is the receiver's, Protocol the version that it gets.
	Name     string
	Protocol Protocol
	// Samples were acknowledged, Dropped refused for good.
	Samples, Dropped uint64
	// Requests were answered with success, Failed counts attempts that were not and
	// are made again.
	Requests, Failed uint64
	// Lag is how long ago the newest sample was stored up to which all are
	// acknowledged or dropped, 0 when none waits.
	Lag time.Duration
	// Failing is whether the last attempt failed.
	Failing bool
	// LastError is why an attempt or a sample failed the last time, empty when none
	// has; it shows no secret.
	LastError   string
	LastErrorAt time.Time
	// LastSuccess is when a request was last acknowledged, zero when none was.
	LastSuccess time.Time
}
