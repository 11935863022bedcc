package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// KindRemoteWrite is the kind of a [RemoteWrite].
const KindRemoteWrite = "RemoteWrite"

// RemoteWrite is a receiver of Prometheus remote write.
type RemoteWrite struct {
	Name string
	notify.Destination
	// Protocol is "1.0" or "2.0", empty for what the receiver knows.
	Protocol string
	// Labels are added to all series.
	Labels map[string]string
	// Metrics are patterns for names; none stands for all.
	Metrics []string
}

// RemoteWrites returns the receivers of remote write, in the order of the files. The
// caller owns them.
func (c *Config) RemoteWrites() []RemoteWrite {
	if c == nil {
		return nil
	}
	var list []RemoteWrite
	for _, r := range c.resources {
		if w, ok := c.specs[key{KindRemoteWrite, r.Name}].(RemoteWrite); ok && r.Kind == KindRemoteWrite {
			w.Headers, w.Labels, w.Metrics = maps.Clone(w.Headers), maps.Clone(w.Labels), slices.Clone(w.Metrics)
			list = append(list, w)
		}
	}
	return list
}

// remoteWriteFields are the fields of its spec, which they read into w and t.
func remoteWriteFields(w *RemoteWrite, t *notify.TLS) []yamldoc.Field {
	return append([]yamldoc.Field{
		{Name: "url", Kind: "a URL, or a reference to one", Required: true, Sample: "https://mimir.example/api/v1/push", Summary: "Where to POST to. Redirects are not followed.",
			Read: func(v yamldoc.Value) { secret(v, &w.URL, notify.Secret.ValidateURL) }},
		{Name: "protocol", Kind: "auto, 1.0 or 2.0, in quotes", Standard: "auto", Summary: "The version of remote write; auto is 2.0, and 1.0 where the receiver does not know that.",
			Read: func(v yamldoc.Value) { protocol(v, &w.Protocol) }},
		{Name: "labels", Kind: "an object of texts", Sample: "{cluster: eu-1}", Summary: "Labels of each series that has none of the name itself; an empty text takes job or instance away.",
			Read: func(v yamldoc.Value) { labels(v, &w.Labels) }},
		{Name: "metrics", Kind: "a list of names, with * for any text", Sample: "[goshawk_slo_events_total, ALERTS]", Summary: "The metrics to send; left out, all.",
			Read: func(v yamldoc.Value) { distinct(v, &w.Metrics, maxReceiverName) }},
	}, append(credentialFields(&w.Username, &w.Password, &w.Bearer),
		headersField(&w.Headers, "{X-Scope-OrgID: shop}"), timeoutField(&w.Timeout), tlsField(t))...)
}

// readRemoteWrite reads a document of the kind RemoteWrite.
func readRemoteWrite(name, spec yamldoc.Value) any {
	var w RemoteWrite
	var t notify.TLS
	if !name.IsZero() {
		w.Name = receiverName(name)
	}
	if spec.IsZero() {
		if !name.IsZero() {
			name.Named().Within("spec").Fail("say in it where to write to: write url", "is missing")
		}
		return w
	}
	spec.Object(remoteWriteFields(&w, &t))
	credentialsTogether(spec, t)
	if t != (notify.TLS{}) {
		w.TLS = &t
	}
	return w
}

func protocol(v yamldoc.Value, to *string) {
	text := ""
	switch {
	case !v.OneLine(&text, 8, `write auto, "1.0" or "2.0"`):
	case text != "auto" && text != "1.0" && text != "2.0":
		v.Fail(`write auto, "1.0" or "2.0"`, "is no version of remote write")
	case text != "auto":
		*to = text
	}
}

// labels reads an object of labels.
func labels(v yamldoc.Value, to *map[string]string) {
	const hint = "write {NAME: VALUE}"
	if !v.IsObject() || v.Len() == 0 || v.Len() > maxReceiverItems {
		v.Fail(hint, "is no object of 1 to %d labels", maxReceiverItems)
		return
	}
	list := make(map[string]string)
	for key, content := range v.Pairs() {
		name := key.Scalar()
		text := ""
		switch {
		case !regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(name) || strings.HasPrefix(name, "__"):
			key.Fail("write letters, digits and _, not beginning with a digit or __", "is no name of a label")
		case content.IsScalar() && content.Scalar() == "" && !content.IsNull():
			list[name] = ""
		case content.Text(&text, maxSecret):
			list[name] = text
		}
	}
	*to = list
}

// exampleRemoteWrite returns a document, commented out: there is no receiver by
// default.
func exampleRemoteWrite() string {
	var b, doc strings.Builder
	b.WriteString("# To whom the series of objectives are written; nobody by default. Without the # a document is in force.\n")
	fmt.Fprintf(&doc, "---\napiVersion: %s\nkind: %s\nmetadata:\n  name: my-prometheus\nspec:\n", apiVersion, KindRemoteWrite)
	exemplify(&doc, "  ", remoteWriteFields(new(RemoteWrite), new(notify.TLS)))
	for line := range strings.Lines(doc.String()) {
		b.WriteString("# " + line)
	}
	return b.String()
}
