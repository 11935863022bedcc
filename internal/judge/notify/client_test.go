package notify

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClient_postsWithSecretsThatMayBeReplaced(t *testing.T) {
	var got []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, strings.Join([]string{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Scope-Orgid"), r.Header.Get("Content-Type"), string(body)}, " "))
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "no "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(Destination{
		URL: Secret(server.URL + "/push"), Bearer: Secret("${file:" + token + "}"), Headers: map[string]Secret{"X-Scope-OrgID": "${TENANT}"}, TLS: &TLS{CAFile: ca},
	}, []string{"TENANT=shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, secret := range []string{"sesame", "mellon"} {
		if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		response, err := client.Post(t.Context(), http.Header{"Content-Type": {"a/b"}}, []byte(secret[:1]))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusTeapot || string(text) != "no Bearer (secret)" {
			t.Errorf("answered %d %q", response.StatusCode, text)
		}
	}
	if want := "/push Bearer sesame shop a/b s\n/push Bearer mellon shop a/b m"; strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestClient_followsNoRedirectAndShowsNoSecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang-hunter2" {
			<-r.Context().Done()
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	client, err := NewClient(Destination{URL: Secret(server.URL + "/hunter2"), Username: "u", Password: "p4ss"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	response, err := client.Post(t.Context(), nil, nil)
	if err != nil || response.StatusCode != http.StatusTemporaryRedirect {
		t.Fatal(response, err)
	}
	hanging, err := NewClient(Destination{URL: Secret(server.URL + "/hang-hunter2"), Timeout: 50 * time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hanging.Close)
	if _, err := hanging.Post(t.Context(), nil, nil); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("for this test"))
	if _, err := client.Post(ended, nil, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestNewClient_refusesWhatCannotBe(t *testing.T) {
	for name, d := range map[string]Destination{
		"no URL":               {},
		"no URL of HTTP":       {URL: "ftp://a"},
		"token and password":   {URL: "http://a", Bearer: "x", Username: "u"},
		"an open reference":    {URL: "http://a", Bearer: "${"},
		"a header of requests": {URL: "http://a", Headers: map[string]Secret{"Content-Type": "x"}},
		"half a key":           {URL: "http://a", TLS: &TLS{KeyFile: "/a"}},
	} {
		if _, err := NewClient(d, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
