package config

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
)

// KindReceiver is the kind of a [notify.Receiver].
const KindReceiver = "Receiver"

// The bounds of what a receiver is.
const (
	maxReceiverName   = 128
	maxSecret         = 4096
	maxReceiverItems  = 100
	minTimeout        = 100 * time.Millisecond
	maxTimeout        = 5 * time.Minute
	maxCommandTimeout = time.Hour
	minRepeat         = time.Minute
	maxRepeat         = 7 * 24 * time.Hour
)

// ways returns the objects of which a receiver has exactly one.
func ways() []string { return []string{"webhook", "command", "alertmanager"} }

// Receivers returns who is told of alerts, in the order of the files. The
// caller owns them.
func (c *Config) Receivers() []notify.Receiver {
	if c == nil {
		return nil
	}
	var list []notify.Receiver
	for _, r := range c.resources {
		if receiver, ok := c.specs[key{KindReceiver, r.Name}].(notify.Receiver); ok && r.Kind == KindReceiver {
			list = append(list, receiver.Clone())
		}
	}
	return list
}

// receiver is a receiver that is being read: what it is told by is complete
// here, whether it is there or not.
type receiver struct {
	notify.Receiver
	webhook      notify.Webhook
	command      notify.Command
	alertmanager notify.Alertmanager
	webhookTLS   notify.TLS
	managerTLS   notify.TLS
	sendResolved bool
}

// receiverFields are the fields of a receiver's spec, which they read into r.
// way is the object that is there, "" for any; the others make no sense beside
// it.
func receiverFields(r *receiver, way string) []field {
	refuse := func(of string) string {
		if way == "" || way == of {
			return ""
		}
		return "there is " + way + " already"
	}
	repeats := ""
	if way == "alertmanager" {
		repeats = "it is for the Alertmanager to decide"
	}
	return []field{
		{name: "webhook", of: "webhook", refuse: refuse("webhook"), summary: "A server that takes the JSON of Alertmanager's webhook, version 4.", fields: r.webhookFields()},
		{name: "command", of: "command", refuse: refuse("command"), summary: "A program that is run for each notification, with the same JSON on stdin.", fields: r.commandFields()},
		{name: "alertmanager", of: "alertmanager", refuse: refuse("alertmanager"), summary: "A cluster of Alertmanagers.", fields: r.alertmanagerFields()},
		{name: "severities", kind: "a list of names", sample: "[page]", summary: "The severities to be told of; left out, all.",
			read: func(v value) { v.distinct(&r.Severities, maxReceiverName) }},
		{name: "matchers", kind: "a list of matchers, such as `team=shop` or `service=~shop-.*`", sample: `["team=shop"]`, summary: "What an alert's labels must be, all of them; the operators are =, !=, =~ and !~.",
			read: func(v value) { v.matchers(&r.Matchers) }},
		{name: "repeatEvery", of: "webhook and command", refuse: repeats, kind: between(minRepeat, maxRepeat), standard: brief(notify.DefaultRepeat), summary: "How often to say again that an alert still fires.",
			read: func(v value) { v.duration(&r.RepeatEvery, minRepeat, maxRepeat, brief(notify.DefaultRepeat)) }},
		{name: "sendResolved", of: "webhook and command", refuse: repeats, kind: "true or false", standard: "true", summary: "Whether to say that an alert ended, to those who were told of it.",
			read: func(v value) { v.boolean(&r.sendResolved) }},
	}
}

func between(low, high time.Duration) string {
	return "a duration from " + brief(low) + " to " + brief(high)
}

func (r *receiver) webhookFields() []field {
	w := &r.webhook
	return []field{
		{name: "url", kind: "a URL, or a reference to one", required: true, sample: "https://bridge.example/alerts", summary: "Where to POST to. Redirects are not followed.",
			read: func(v value) { v.secret(&w.URL, notify.Secret.ValidateURL) }},
		headersField(&w.Headers, `{Authorization: "Bearer ${BRIDGE_TOKEN}"}`),
		timeoutField(&w.Timeout),
		tlsField(&r.webhookTLS),
	}
}

func (r *receiver) commandFields() []field {
	c := &r.command
	standard := brief(notify.DefaultCommandTimeout)
	return []field{
		{name: "path", kind: "an absolute path", required: true, sample: "/usr/local/bin/notify", summary: "The program. No shell is between.",
			read: func(v value) { v.absolute(&c.Path) }},
		{name: "args", kind: "a list of texts", sample: "[--channel, alerts]", summary: "Its arguments.",
			read: func(v value) { v.arguments(&c.Args) }},
		{name: "timeout", kind: between(minTimeout, maxCommandTimeout), standard: standard, summary: "When to kill it, with its process group.",
			read: func(v value) { v.duration(&c.Timeout, minTimeout, maxCommandTimeout, standard) }},
	}
}

func (r *receiver) alertmanagerFields() []field {
	a := &r.alertmanager
	return []field{
		{name: "urls", kind: "a list of URLs, or of references to some", required: true, sample: "[http://localhost:9093]", summary: "The members of the cluster, each of which is told, without /api/v2/alerts.",
			read: func(v value) { v.urls(&a.URLs) }},
		{name: "basicAuth", sample: "{username: goshawk, password: \"${ALERTMANAGER_PASSWORD}\"}", summary: "A name and a password for each request.", fields: []field{
			{name: "username", kind: "a text", required: true, sample: "goshawk", summary: "The name.",
				read: func(v value) { v.text(&a.Username, maxReceiverName) }},
			{name: "password", kind: "a text, or a reference to one", required: true, sample: "${ALERTMANAGER_PASSWORD}", summary: "The password.",
				read: func(v value) { v.secret(&a.Password, notify.Secret.Validate) }},
		}},
		{name: "bearer", kind: "a text, or a reference to one", sample: "${file:/run/secrets/alertmanager}", summary: "A token for each request.",
			read: func(v value) { v.secret(&a.Bearer, notify.Secret.Validate) }},
		headersField(&a.Headers, "{X-Scope-OrgID: shop}"),
		timeoutField(&a.Timeout),
		tlsField(&r.managerTLS),
	}
}

func headersField(to *map[string]notify.Secret, sample string) field {
	return field{
		name: "headers", kind: "an object of texts, or of references to some", sample: sample, summary: "Headers of each request.",
		read: func(v value) { v.headers(to) },
	}
}

func timeoutField(to *time.Duration) field {
	standard := brief(notify.DefaultTimeout)
	return field{
		name: "timeout", kind: between(minTimeout, maxTimeout), standard: standard, summary: "How long an attempt may take in all.",
		read: func(v value) { v.duration(to, minTimeout, maxTimeout, standard) },
	}
}

func tlsField(t *notify.TLS) field {
	return field{name: "tls", summary: "Whom to trust, and who Goshawk is.", fields: []field{
		{name: "caFile", kind: "an absolute path", sample: "/etc/goshawk/ca.pem", summary: "Certificates of the authorities to trust (PEM); left out, the system's.",
			read: func(v value) { v.absolute(&t.CAFile) }},
		{name: "certFile", kind: "an absolute path", sample: "/etc/goshawk/client.pem", summary: "The certificate to show (PEM).",
			read: func(v value) { v.absolute(&t.CertFile) }},
		{name: "keyFile", kind: "an absolute path", sample: "/etc/goshawk/client.key", summary: "The key of that certificate (PEM).",
			read: func(v value) { v.absolute(&t.KeyFile) }},
		{name: "serverName", kind: "a name", sample: "bridge.example", summary: "The name that the server's certificate must have; left out, the URL's.",
			read: func(v value) { v.text(&t.ServerName, maxServiceName) }},
		{name: "insecureSkipVerify", kind: "true or false", standard: "false", summary: "Whether to trust any server, and so anybody in between.",
			read: func(v value) { v.boolean(&t.SkipVerify) }},
	}}
}

// readReceiver reads a document of the kind Receiver.
func readReceiver(name, spec value) any {
	r := receiver{sendResolved: true}
	if name.node != nil {
		r.Name = name.resolved().Value
		if strings.ContainsFunc(r.Name, func(c rune) bool { return !isNameRune(c) }) || len(r.Name) > maxReceiverName {
			name.fail(fmt.Sprintf("write up to %d letters, digits, -, _ and .", maxReceiverName), "is no name of a receiver")
		}
	}
	if spec.node == nil {
		if name.node != nil {
			value{name.d, "spec", named(name.node)}.fail("say in it how to tell: write "+strings.Join(ways(), ", or "), "is missing")
		}
		return notify.Receiver{}
	}
	way := ""
	for _, w := range ways() {
		if _, there := spec.child(w); there && way == "" {
			way = w
		}
	}
	spec.object(receiverFields(&r, way))
	if n := spec.resolved(); way == "" && (n.Kind == yaml.MappingNode || isNull(n)) {
		value{spec.d, spec.path, named(spec.node)}.fail("write one of them below it", "has none of %s", strings.Join(ways(), ", "))
	}
	r.together(spec, way)
	return r.complete(way)
}

func isNameRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// together finds fields that are wrong beside each other.
func (r *receiver) together(spec value, way string) {
	of, _ := spec.child(way)
	for _, t := range []notify.TLS{r.webhookTLS, r.managerTLS} {
		if files, there := of.child("tls"); there && (t.CertFile == "") != (t.KeyFile == "") {
			value{files.d, files.path, named(files.node)}.fail("write certFile and keyFile, or neither", "has one without the other")
		}
	}
	_, basic := of.child("basicAuth")
	if bearer, there := of.child("bearer"); there && basic {
		value{bearer.d, bearer.path, named(bearer.node)}.fail("remove one", "is there beside basicAuth")
	}
}

// complete returns the receiver that is told in that way.
func (r *receiver) complete(way string) notify.Receiver {
	some := func(t notify.TLS) *notify.TLS {
		if t == (notify.TLS{}) {
			return nil
		}
		return &t
	}
	r.OmitResolved = !r.sendResolved
	switch way {
	case "webhook":
		r.webhook.TLS = some(r.webhookTLS)
		r.Webhook = &r.webhook
	case "command":
		r.Command = &r.command
	case "alertmanager":
		r.alertmanager.TLS = some(r.managerTLS)
		r.Alertmanager = &r.alertmanager
	}
	return r.Receiver
}

// secret reads a text that no error shows, and that check accepts: what it
// returns completes the sentence "the text ...".
func (v value) secret(to *notify.Secret, check func(notify.Secret) error) bool {
	const hint = "write a text in quotes, ${NAME} for an environment variable, or ${file:PATH} for what is in a file"
	n, hidden := v.resolved(), value{v.d, v.path, named(v.node)}
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		hidden.fail(hint, "is %s, not a text", v.kindOf())
	case n.Value == "":
		hidden.fail(hint, "is empty")
	case strings.TrimSpace(n.Value) != n.Value:
		hidden.fail(hint, "has spaces around it")
	case len(n.Value) > maxSecret:
		hidden.fail(hint, "is longer than %d bytes", maxSecret)
	case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		hidden.fail(hint, "has more than one line")
	default:
		if err := check(notify.Secret(n.Value)); err != nil {
			hidden.fail(hint, "%v", err)
			return false
		}
		*to = notify.Secret(n.Value)
		return true
	}
	return false
}

// urls reads a list of URLs, which no error shows.
func (v value) urls(to *[]notify.Secret) {
	v.items(maxReceiverItems, func(item value) {
		var u notify.Secret
		switch {
		case !item.secret(&u, notify.Secret.ValidateURL):
		case slices.Contains(*to, u):
			value{item.d, item.path, named(item.node)}.fail("write it once", "is there twice")
		default:
			*to = append(*to, u)
		}
	})
}

// headers reads an object of headers, of whose values no error shows any.
func (v value) headers(to *map[string]notify.Secret) {
	n := v.resolved()
	hidden := value{v.d, v.path, named(v.node)}
	switch {
	case n.Kind != yaml.MappingNode:
		hidden.fail("write {NAME: VALUE}", "is %s, not an object", v.kindOf())
		return
	case len(n.Content) == 0:
		hidden.fail("write {NAME: VALUE}, or remove the line", "is an empty object")
		return
	case len(n.Content) > 2*maxReceiverItems:
		hidden.fail(fmt.Sprintf("write at most %d", maxReceiverItems), "has %d headers", len(n.Content)/2)
		return
	}
	headers := make(map[string]notify.Secret)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := value{v.d, v.path, n.Content[i]}
		name := http.CanonicalHeaderKey(key.resolved().Value)
		key.path = join(v.path, show(key.resolved().Value))
		key.node = named(key.node)
		var secret notify.Secret
		_, twice := headers[name]
		err := notify.ValidateHeader(name)
		switch {
		case n.Content[i].Kind != yaml.ScalarNode:
			key.path = v.path
			key.fail("write {NAME: VALUE}", "a name is no text")
		case err != nil:
			key.fail("write a name such as Authorization", "%v", err)
		case twice:
			key.fail("write it once", "is there twice")
		case (value{v.d, key.path, n.Content[i+1]}).secret(&secret, notify.Secret.Validate):
			headers[name] = secret
		}
	}
	*to = headers
}

// absolute reads an absolute path.
func (v value) absolute(to *string) {
	path := ""
	switch {
	case !v.text(&path, maxPath):
	case !filepath.IsAbs(path):
		v.fail("begin it with a slash", "is no absolute path")
	default:
		*to = path
	}
}

// distinct reads a list of texts, each once.
func (v value) distinct(to *[]string, limit int) {
	v.items(maxReceiverItems, func(item value) {
		text := ""
		switch {
		case !item.text(&text, limit):
		case slices.Contains(*to, text):
			item.fail("write it once", "is there twice")
		default:
			*to = append(*to, text)
		}
	})
}

// arguments reads a list of texts that may be anything but have no zero byte.
func (v value) arguments(to *[]string) {
	v.items(maxReceiverItems, func(item value) {
		const hint = "write a text, in quotes when it looks like a number"
		n := item.resolved()
		switch {
		case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
			item.fail(hint, "is %s, not a text", item.kindOf())
		case strings.Contains(n.Value, "\x00"):
			item.fail(hint, "has a zero byte")
		case len(n.Value) > maxPath:
			item.fail(hint, "is longer than %d bytes", maxPath)
		default:
			*to = append(*to, n.Value)
		}
	})
}

// matchers reads a list of matchers.
func (v value) matchers(to *[]notify.Matcher) {
	v.items(maxReceiverItems, func(item value) {
		text := ""
		if !item.text(&text, maxPath) {
			return
		}
		m, err := notify.ParseMatcher(text)
		if err != nil {
			item.fail("write one such as team=shop", "%v", err)
			return
		}
		*to = append(*to, m)
	})
}

// exampleReceivers returns a document for each way to tell, commented out: none
// is true of every host.
func exampleReceivers() string {
	var b strings.Builder
	b.WriteString("# Who is told of alerts; nobody by default. Without the # a document is in force.\n")
	for _, way := range ways() {
		var doc strings.Builder
		fmt.Fprintf(&doc, "---\napiVersion: %s\nkind: %s\nmetadata:\n  name: my-%s\nspec:\n", apiVersion, KindReceiver, way)
		exemplify(&doc, "  ", receiverFields(new(receiver), way))
		for line := range strings.Lines(doc.String()) {
			b.WriteString("# " + line)
		}
	}
	return b.String()
}
