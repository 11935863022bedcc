package notify

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// State is that of an alert.
type State string

// The states of an alert.
const (
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Alert is what is told of.
type Alert struct {
	// SLO, Service, Name and Severity say what it is about; those that are not
	// empty become the labels slo, service, alertname and severity.
	SLO, Service, Name, Severity string
	// State is Firing or Resolved.
	State State
	// StartsAt is since when it fires, EndsAt when it ended. The zero StartsAt is
	// now, as is the zero EndsAt of one that is resolved.
	StartsAt, EndsAt time.Time
	// Labels, with those above, make the alert's identity. Annotations describe it.
	Labels, Annotations map[string]string
	// Value is what was measured, such as the burn rate. That it changes is no
	// reason to tell of the alert again. NaN and infinities are left out.
	Value float64
	// GeneratorURL is where to see more; it is left out when it is no URL of the
	// web.
	GeneratorURL string
	// Receivers are the names of those who are told; none stands for all.
	Receivers []string
}

// The bounds of an alert: longer texts are cut, more labels are left out.
const (
	maxLabels     = 64
	maxLabelName  = 128
	maxLabelValue = 1024
	maxAnnotation = 16 << 10
)

// Labels that every alert has.
const (
	labelName     = "alertname"
	labelSLO      = "slo"
	labelService  = "service"
	labelSeverity = "severity"
)

// Fingerprint names the alert by its labels, as Alertmanager does: 16
// hexadecimal digits.
func (a Alert) Fingerprint() string { return fingerprint(a.labels()) }

func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		hashText(h, name)
		hashText(h, labels[name])
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

func hashText(h io.Writer, text string) {
	_, _ = io.WriteString(h, text)
	_, _ = h.Write([]byte{0xff}) // no byte of UTF-8
}

// labels returns all labels of a, within bounds.
func (a Alert) labels() map[string]string {
	own := map[string]string{}
	for name, value := range map[string]string{labelName: a.Name, labelSLO: a.SLO, labelService: a.Service, labelSeverity: a.Severity} {
		if value != "" {
			own[name] = cut(value, maxLabelValue)
		}
	}
	labels := bounded(a.Labels, maxLabels-len(own), maxLabelValue)
	maps.Copy(labels, own)
	if len(labels) == 0 {
		labels[labelName] = "goshawk"
	}
	return labels
}

// complete returns a copy of a that shares nothing with it: with all labels,
// within bounds, and with times that can be written and have come.
func (a Alert) complete(now time.Time) Alert {
	a.Labels = a.labels()
	a.Annotations = bounded(a.Annotations, maxLabels, maxAnnotation)
	a.Receivers = slices.Clone(a.Receivers)
	if u, err := url.Parse(a.GeneratorURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(a.GeneratorURL) > maxLabelValue {
		a.GeneratorURL = ""
	}
	now = instant(now, time.Unix(0, 0))
	a.StartsAt = earlier(instant(a.StartsAt, now), now)
	if a.State != Resolved {
		a.State, a.EndsAt = Firing, time.Time{}
		return a
	}
	// To an Alertmanager one that ends later fires until then.
	if a.EndsAt = earlier(instant(a.EndsAt, now), now); a.EndsAt.Before(a.StartsAt) {
		a.EndsAt = a.StartsAt
	}
	return a
}

// earlier returns when something was, which is not after now.
func earlier(at, now time.Time) time.Time {
	return slices.MinFunc([]time.Time{at, now}, time.Time.Compare)
}

// instant returns t in UTC, or instead when JSON has no way to write it.
func instant(t, instead time.Time) time.Time {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 9999 {
		t = instead
	}
	return t.UTC().Round(0)
}

var numbers = regexp.MustCompile(`[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?`)

// sum is that of what describes the alert: when it changes, the alert is told
// of again. Numbers do not count: what is measured changes all the time.
func (a Alert) sum() uint64 {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(a.Annotations)) {
		hashText(h, name)
		hashText(h, numbers.ReplaceAllLiteralString(a.Annotations[name], "0"))
	}
	hashText(h, a.GeneratorURL)
	return h.Sum64()
}

// bounded returns a copy of labels or annotations that every Alertmanager
// accepts. Which are left out does not depend on the order of the map.
func bounded(labels map[string]string, limit, length int) map[string]string {
	kept := make(map[string]string, min(len(labels), limit))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		plain := labelOf(name)
		if _, twice := kept[plain]; twice || plain == "" || labels[name] == "" || len(kept) == limit {
			continue
		}
		kept[plain] = cut(labels[name], length)
	}
	return kept
}

// labelOf returns a name with letters, digits and underscores alone.
func labelOf(name string) string {
	name = cut(name, maxLabelName-1)
	plain := strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	if plain != "" && plain[0] >= '0' && plain[0] <= '9' {
		plain = "_" + plain
	}
	return plain
}

// cut returns valid UTF-8 of at most limit bytes.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// notice is an alert that is complete, with what names it.
type notice struct {
	fingerprint string
	alert       Alert
}

// prepare completes alerts. Of several with the same labels one that fires
// counts: it fired again within an evaluation.
func prepare(alerts []Alert, now time.Time) []notice {
	list := make([]notice, 0, len(alerts))
	places := make(map[string]int, len(alerts))
	for _, a := range alerts {
		a = a.complete(now)
		n := notice{fingerprint(a.Labels), a}
		i, twice := places[n.fingerprint]
		switch {
		case !twice:
			places[n.fingerprint] = len(list)
			list = append(list, n)
		case list[i].alert.State == Resolved:
			list[i] = n
		}
	}
	return list
}
