package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Secret is a text of the configuration that may hold a secret, and in which
// ${NAME} stands for an environment variable and ${file:PATH} for what is in a
// file, without the space around it. $${ is a ${ that stands for itself. It
// prints as nothing.
//
// A file is read for each delivery, so that a secret that is replaced is used.
type Secret string

// maxSecret is how many bytes a file of a secret has at most.
const maxSecret = 64 << 10

// String hides the text.
func (Secret) String() string { return "(secret)" }

// GoString hides the text.
func (Secret) GoString() string { return "(secret)" }

// MarshalText hides the text.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Validate says what is wrong with the references. The error completes the
// sentence "the text ...", and shows none of it but names of variables and files.
func (s Secret) Validate() error {
	_, err := s.expand(
		func(string) (string, error) { return "", nil },
		func(string) (string, error) { return "", nil })
	return err
}

// HasReferences reports whether the text is not complete as it is.
func (s Secret) HasReferences() bool {
	found := false
	note := func(string) (string, error) {
		found = true
		return "", nil
	}
	_, _ = s.expand(note, note)
	return found
}

// expand replaces the references by what variable and file return.
func (s Secret) expand(variable, file func(string) (string, error)) (string, error) {
	var b strings.Builder
	rest := string(s)
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		name, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			return "", errors.New("has a ${ that is not closed")
		}
		read := variable
		if path, isFile := strings.CutPrefix(name, "file:"); isFile {
			if !filepath.IsAbs(path) {
				return "", fmt.Errorf("names the file %s, which is no absolute path", show(path))
			}
			name, read = path, file
		} else if !isVariable(name) {
			return "", errors.New("has a reference that is neither ${NAME} nor ${file:PATH}")
		}
		value, err := read(name)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		rest = after
	}
}

func isVariable(name string) bool {
	return name != "" && name == labelOf(name) && len(name) < maxLabelName
}

// resolve returns the text with what the references stand for. The error shows
// no secret.
func (s Secret) resolve(environ []string) (string, error) {
	text, err := s.expand(func(name string) (string, error) {
		value := ""
		for _, pair := range environ {
			if rest, ok := strings.CutPrefix(pair, name+"="); ok {
				value = rest // the last one counts, as for a shell
			}
		}
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return value, nil
	}, readSecret)
	if err == nil && strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		err = errors.New("a secret has a control character or a line break within")
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

// readSecret reads a regular file; it does not wait for a pipe's writer.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("the file of a secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("the file of a secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the file of a secret: %s: is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", fmt.Errorf("the file of a secret: %w", err)
	case len(data) > maxSecret:
		return "", fmt.Errorf("the file of a secret: %s: is larger than %d KiB", path, maxSecret>>10)
	case text == "":
		return "", fmt.Errorf("the file of a secret: %s: is empty", path)
	}
	return text, nil
}

// parseURL reads a URL to post to. The error shows none of it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("does not begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("names no host")
	case u.Fragment != "":
		return nil, errors.New("has a fragment, which no server sees")
	}
	return u, nil
}

// ValidateURL says what is wrong with a URL. The error completes the sentence
// "the URL ...". One with references is known only when it is used.
func (s Secret) ValidateURL() error {
	if err := s.Validate(); err != nil || s.HasReferences() {
		return err
	}
	text, _ := s.resolve(nil)
	_, err := parseURL(text)
	return err
}

// origin returns scheme and host of u, which may be shown.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// veil removes from messages what is secret.
type veil []string

// add adds secrets. What is shorter than three bytes is none.
func (v *veil) add(secrets ...string) {
	for _, s := range secrets {
		if len(s) > 2 {
			*v = append(*v, s)
		}
	}
}

// addURL adds all of u that its origin does not have: bridges keep their token
// in the path.
func (v *veil) addURL(u *url.URL) {
	if password, ok := u.User.Password(); ok {
		v.add(password, basic(u.User.Username(), password))
	}
	v.add(u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery)
	for _, values := range u.Query() {
		v.add(values...)
	}
}

// basic returns how basic authentication writes a password.
func basic(username, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
}

// over returns text without the secrets; a longer one may have a shorter one in
// it.
func (v veil) over(text string) string {
	for _, s := range slices.SortedFunc(slices.Values(v), func(a, b string) int { return len(b) - len(a) }) {
		text = strings.ReplaceAll(text, s, "(secret)")
	}
	return text
}
