package config

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
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
func receiverFields(r *receiver, way string) []yamldoc.Field {
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
	return []yamldoc.Field{
		{Name: "webhook", Of: "webhook", Refuse: refuse("webhook"), Summary: "A server that takes the JSON of Alertmanager's webhook, version 4.", Fields: r.webhookFields()},
		{Name: "command", Of: "command", Refuse: refuse("command"), Summary: "A program that is run for each notification, with the same JSON on stdin.", Fields: r.commandFields()},
		{Name: "alertmanager", Of: "alertmanager", Refuse: refuse("alertmanager"), Summary: "A cluster of Alertmanagers.", Fields: r.alertmanagerFields()},
		{Name: "severities", Kind: "a list of names", Sample: "[page]", Summary: "The severities to be told of; left out, all.",
			Read: func(v yamldoc.Value) { distinct(v, &r.Severities, maxReceiverName) }},
		{Name: "matchers", Kind: "a list of matchers, such as `team=shop` or `service=~shop-.*`", Sample: `["team=shop"]`, Summary: "What an alert's labels must be, all of them; the operators are =, !=, =~ and !~.",
			Read: func(v yamldoc.Value) { matchers(v, &r.Matchers) }},
		{Name: "repeatEvery", Of: "webhook and command", Refuse: repeats, Kind: between(minRepeat, maxRepeat), Standard: yamldoc.Brief(notify.DefaultRepeat), Summary: "How often to say again that an alert still fires.",
			Read: func(v yamldoc.Value) {
				v.Duration(&r.RepeatEvery, minRepeat, maxRepeat, yamldoc.Brief(notify.DefaultRepeat))
			}},
		{Name: "sendResolved", Of: "webhook and command", Refuse: repeats, Kind: "true or false", Standard: "true", Summary: "Whether to say that an alert ended, to those who were told of it.",
			Read: func(v yamldoc.Value) { v.Boolean(&r.sendResolved) }},
	}
}

func between(low, high time.Duration) string {
	return "a duration from " + yamldoc.Brief(low) + " to " + yamldoc.Brief(high)
}

func (r *receiver) webhookFields() []yamldoc.Field {
	w := &r.webhook
	return []yamldoc.Field{
		{Name: "url", Kind: "a URL, or a reference to one", Required: true, Sample: "https://bridge.example/alerts", Summary: "Where to POST to. Redirects are not followed.",
			Read: func(v yamldoc.Value) { secret(v, &w.URL, notify.Secret.ValidateURL) }},
		headersField(&w.Headers, `{Authorization: "Bearer ${BRIDGE_TOKEN}"}`),
		timeoutField(&w.Timeout),
		tlsField(&r.webhookTLS),
	}
}

func (r *receiver) commandFields() []yamldoc.Field {
	c := &r.command
	standard := yamldoc.Brief(notify.DefaultCommandTimeout)
	return []yamldoc.Field{
		{Name: "path", Kind: "an absolute path", Required: true, Sample: "/usr/local/bin/notify", Summary: "The program. No shell is between.",
			Read: func(v yamldoc.Value) { absolute(v, &c.Path) }},
		{Name: "args", Kind: "a list of texts", Sample: "[--channel, alerts]", Summary: "Its arguments.",
			Read: func(v yamldoc.Value) { arguments(v, &c.Args) }},
		{Name: "timeout", Kind: between(minTimeout, maxCommandTimeout), Standard: standard, Summary: "When to kill it, with its process group.",
			Read: func(v yamldoc.Value) { v.Duration(&c.Timeout, minTimeout, maxCommandTimeout, standard) }},
	}
}

func (r *receiver) alertmanagerFields() []yamldoc.Field {
	a := &r.alertmanager
	return append([]yamldoc.Field{
		{Name: "urls", Kind: "a list of URLs, or of references to some", Required: true, Sample: "[http://localhost:9093]", Summary: "The members of the cluster, each of which is told, without /api/v2/alerts.",
			Read: func(v yamldoc.Value) { urls(v, &a.URLs) }},
	}, append(credentialFields(&a.Username, &a.Password, &a.Bearer),
		headersField(&a.Headers, "{X-Scope-OrgID: shop}"), timeoutField(&a.Timeout), tlsField(&r.managerTLS))...)
}

// credentialFields are a name and a password, or a token.
func credentialFields(username *string, password, bearer *notify.Secret) []yamldoc.Field {
	return []yamldoc.Field{
		{Name: "basicAuth", Sample: "{username: goshawk, password: \"${PASSWORD}\"}", Summary: "A name and a password for each request.", Fields: []yamldoc.Field{
			{Name: "username", Kind: "a text", Required: true, Sample: "goshawk", Summary: "The name.",
				Read: func(v yamldoc.Value) { v.Text(username, maxReceiverName) }},
			{Name: "password", Kind: "a text, or a reference to one", Required: true, Sample: "${PASSWORD}", Summary: "The password.",
				Read: func(v yamldoc.Value) { secret(v, password, notify.Secret.Validate) }},
		}},
		{Name: "bearer", Kind: "a text, or a reference to one", Sample: "${file:/run/secrets/token}", Summary: "A token for each request.",
			Read: func(v yamldoc.Value) { secret(v, bearer, notify.Secret.Validate) }},
	}
}

func headersField(to *map[string]notify.Secret, sample string) yamldoc.Field {
	return yamldoc.Field{
		Name: "headers", Kind: "an object of texts, or of references to some", Sample: sample, Summary: "Headers of each request.",
		Read: func(v yamldoc.Value) { headers(v, to) },
	}
}

func timeoutField(to *time.Duration) yamldoc.Field {
	standard := yamldoc.Brief(notify.DefaultTimeout)
	return yamldoc.Field{
		Name: "timeout", Kind: between(minTimeout, maxTimeout), Standard: standard, Summary: "How long an attempt may take in all.",
		Read: func(v yamldoc.Value) { v.Duration(to, minTimeout, maxTimeout, standard) },
	}
}

func tlsField(t *notify.TLS) yamldoc.Field {
	return yamldoc.Field{Name: "tls", Summary: "Whom to trust, and who Goshawk is.", Fields: []yamldoc.Field{
		{Name: "caFile", Kind: "an absolute path", Sample: "/etc/goshawk/ca.pem", Summary: "Certificates of the authorities to trust (PEM); left out, the system's.",
			Read: func(v yamldoc.Value) { absolute(v, &t.CAFile) }},
		{Name: "certFile", Kind: "an absolute path", Sample: "/etc/goshawk/client.pem", Summary: "The certificate to show (PEM).",
			Read: func(v yamldoc.Value) { absolute(v, &t.CertFile) }},
		{Name: "keyFile", Kind: "an absolute path", Sample: "/etc/goshawk/client.key", Summary: "The key of that certificate (PEM).",
			Read: func(v yamldoc.Value) { absolute(v, &t.KeyFile) }},
		{Name: "serverName", Kind: "a name", Sample: "bridge.example", Summary: "The name that the server's certificate must have; left out, the URL's.",
			Read: func(v yamldoc.Value) { v.Text(&t.ServerName, maxServiceName) }},
		{Name: "insecureSkipVerify", Kind: "true or false", Standard: "false", Summary: "Whether to trust any server, and so anybody in between.",
			Read: func(v yamldoc.Value) { v.Boolean(&t.SkipVerify) }},
	}}
}

// readReceiver reads a document of the kind Receiver.
func readReceiver(name, spec yamldoc.Value) any {
	r := receiver{sendResolved: true}
	if !name.IsZero() {
		r.Name = receiverName(name)
	}
	if spec.IsZero() {
		if !name.IsZero() {
			name.Named().Within("spec").Fail("say in it how to tell: write "+strings.Join(ways(), ", or "), "is missing")
		}
		return notify.Receiver{}
	}
	way := ""
	for _, w := range ways() {
		if _, there := spec.Child(w); there && way == "" {
			way = w
		}
	}
	spec.Object(receiverFields(&r, way))
	if way == "" && (spec.IsObject() || spec.IsNull()) {
		spec.Named().Fail("write one of them below it", "has none of %s", strings.Join(ways(), ", "))
	}
	r.together(spec, way)
	return r.complete(way)
}

// receiverName reads the name of a receiver, of alerts or of samples.
func receiverName(v yamldoc.Value) string {
	name := v.Scalar()
	if strings.ContainsFunc(name, func(c rune) bool { return !isNameRune(c) }) || len(name) > maxReceiverName {
		v.Fail(fmt.Sprintf("write up to %d letters, digits, -, _ and .", maxReceiverName), "is no name of a receiver")
	}
	return name
}

func isNameRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// together finds fields that are wrong beside each other.
func (r *receiver) together(spec yamldoc.Value, way string) {
	of, _ := spec.Child(way)
	credentialsTogether(of, r.webhookTLS, r.managerTLS)
}

// credentialsTogether is together for the fields of a server.
func credentialsTogether(of yamldoc.Value, certificates ...notify.TLS) {
	for _, t := range certificates {
		if files, there := of.Child("tls"); there && (t.CertFile == "") != (t.KeyFile == "") {
			files.Named().Fail("write certFile and keyFile, or neither", "has one without the other")
		}
	}
	_, basic := of.Child("basicAuth")
	if bearer, there := of.Child("bearer"); there && basic {
		bearer.Named().Fail("remove one", "is there beside basicAuth")
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
func secret(v yamldoc.Value, to *notify.Secret, check func(notify.Secret) error) bool {
	const hint = "write a text in quotes, ${NAME} for an environment variable, or ${file:PATH} for what is in a file"
	text, hidden := "", v.Secret()
	if !hidden.OneLine(&text, maxSecret, hint) {
		return false
	}
	if strings.Contains(text, "\x7f") {
		hidden.Fail(hint, "has more than one line")
		return false
	}
	if err := check(notify.Secret(text)); err != nil {
		hidden.Fail(hint, "%v", err)
		return false
	}
	*to = notify.Secret(text)
	return true
}

// urls reads a list of URLs, which no error shows.
func urls(v yamldoc.Value, to *[]notify.Secret) {
	v.Secret().Items(maxReceiverItems, func(item yamldoc.Value) {
		var u notify.Secret
		switch {
		case !secret(item, &u, notify.Secret.ValidateURL):
		case slices.Contains(*to, u):
			item.Fail("write it once", "is there twice")
		default:
			*to = append(*to, u)
		}
	})
}

// headers reads an object of headers, of whose values no error shows any.
func headers(v yamldoc.Value, to *map[string]notify.Secret) {
	const hint = "write {NAME: VALUE}"
	v = v.Secret()
	switch n := v.Len(); {
	case !v.IsObject():
		v.Fail(hint, "is %s, not an object", v.KindOf())
		return
	case n == 0:
		v.Fail(hint+", or remove the line", "is an empty object")
		return
	case n > maxReceiverItems:
		v.Fail(fmt.Sprintf("write at most %d", maxReceiverItems), "has %d headers", n)
		return
	}
	headers := make(map[string]notify.Secret)
	for key, content := range v.Pairs() {
		name := http.CanonicalHeaderKey(key.Scalar())
		var text notify.Secret
		_, twice := headers[name]
		err := notify.ValidateHeader(name)
		switch {
		case !key.IsScalar():
			key.Fail(hint, "a name is no text")
		case err != nil:
			key.Fail("write a name such as Authorization", "%v", err)
		case twice:
			key.Fail("write it once", "is there twice")
		case secret(content, &text, notify.Secret.Validate):
			headers[name] = text
		}
	}
	*to = headers
}

// absolute reads an absolute path.
func absolute(v yamldoc.Value, to *string) {
	path := ""
	switch {
	case !v.Text(&path, maxPath):
	case !filepath.IsAbs(path):
		v.Fail("begin it with a slash", "is no absolute path")
	default:
		*to = path
	}
}

// distinct reads a list of texts, each once.
func distinct(v yamldoc.Value, to *[]string, limit int) {
	v.Items(maxReceiverItems, func(item yamldoc.Value) {
		text := ""
		switch {
		case !item.Text(&text, limit):
		case slices.Contains(*to, text):
			item.Fail("write it once", "is there twice")
		default:
			*to = append(*to, text)
		}
	})
}

// arguments reads a list of texts that may be anything but have no zero byte.
func arguments(v yamldoc.Value, to *[]string) {
	v.Items(maxReceiverItems, func(item yamldoc.Value) {
		text := ""
		switch {
		case !item.Prose(&text, maxPath):
		case strings.Contains(text, "\x00"):
			item.Fail("remove it", "has a zero byte")
		default:
			*to = append(*to, text)
		}
	})
}

// matchers reads a list of matchers.
func matchers(v yamldoc.Value, to *[]notify.Matcher) {
	v.Items(maxReceiverItems, func(item yamldoc.Value) {
		text := ""
		if !item.Text(&text, maxPath) {
			return
		}
		m, err := notify.ParseMatcher(text)
		if err != nil {
			item.Fail("write one such as team=shop", "%v", err)
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
