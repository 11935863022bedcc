package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const secret = "correct-horse-battery"

func token(t *testing.T) Token {
	t.Helper()
	k, err := NewToken(secret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGuard_hostsAndOrigins(t *testing.T) {
	navigate := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	tests := []struct {
		name, method, target string
		header               []string
		status               int
		body                 string
	}{
		{"an address", "GET", "http://127.0.0.1:7788/", nil, 200, "inside"},
		{"an IPv6 address", "GET", "http://[::1]:7788/", nil, 200, "inside"},
		{"an IPv6 address without port", "GET", "http://[::1]/", nil, 200, "inside"},
		{"localhost", "GET", "http://localhost:7788/", nil, 200, "inside"},
		{"localhost spelled otherwise", "GET", "http://LocalHost.:7788/", nil, 200, "inside"},
		{"a name that was given", "GET", "http://box.example:7788/", nil, 200, "inside"},
		{"that name spelled otherwise", "GET", "http://BOX.example./", nil, 200, "inside"},
		{"a rebound name", "GET", "http://evil.example/api/v1/events", nil, 421, `host \"evil.example\": not served here`},
		{"a rebound name below localhost", "GET", "http://localhost.evil.example/", nil, 421, "not served here"},
		{"a rebound name at the health check", "GET", "http://evil.example/healthz", nil, 421, "not served here"},
		{"the same page", "GET", "http://127.0.0.1/api/v1/events", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1"}, 200, "inside"},
		{"typed by the user", "GET", "http://127.0.0.1/api/v1/events", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, 200, "inside"},
		{"a script of another site", "GET", "http://127.0.0.1/api/v1/events", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, "the page that asks is cross-site"},
		{"a script of another port", "GET", "http://127.0.0.1/api/v1/events", []string{"Sec-Fetch-Site", "same-site"}, 403, "the page that asks is same-site"},
		{"another origin", "GET", "http://127.0.0.1:7788/api/v1/events", []string{"Origin", "http://127.0.0.1:8080"}, 403, `the origin \"http://127.0.0.1:8080\" is another one`},
		{"an origin without name", "GET", "http://127.0.0.1/", []string{"Origin", "null"}, 403, `the origin \"null\" is another one`},
		{"a link from another site", "GET", "http://127.0.0.1/commands", navigate, 200, "inside"},
		{"a link to the API from another site", "GET", "http://127.0.0.1/api/v1/events", navigate, 403, "cross-site"},
		{"a form of another site", "POST", "http://127.0.0.1/commands", navigate, 403, "cross-site"},
		{"a frame of another site", "GET", "http://127.0.0.1/commands", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403, "cross-site"},
	}
	h := Guard(page("inside"), GuardOptions{Hosts: []string{"box.example"}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, h, tt.method, tt.target, tt.header...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d, body %s; want %d and %s", w.Code, w.Body, tt.status, tt.body)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Frame-Options") != "DENY" {
				t.Errorf("header %v", w.Header())
			}
		})
	}
}

func TestGuard_token(t *testing.T) {
	tests := []struct {
		name, target string
		header       []string
		status       int
		body         string
	}{
		{"none", "/api/v1/events", nil, 401, `{"error":"a token is needed","hint":"send the header Authorization: Bearer TOKEN`},
		{"none for metrics", "/metrics", []string{"Accept", "text/html"}, 401, "a token is needed"},
		{"none for the health check", "/healthz", nil, 200, "inside"},
		{"none for whether it is ready", "/readyz", nil, 401, "a token is needed"},
		{"the right one", "/api/v1/events", []string{"Authorization", "Bearer " + secret}, 200, "inside"},
		{"the right one, spelled otherwise", "/api/v1/events", []string{"Authorization", "bearer  " + secret}, 200, "inside"},
		{"a wrong one", "/api/v1/events", []string{"Authorization", "Bearer " + secret + "x"}, 401, "the token is not the right one"},
		{"an empty one", "/api/v1/events", []string{"Authorization", "Bearer "}, 401, "the token is not the right one"},
		{"a password", "/api/v1/events", []string{"Authorization", "Basic " + secret}, 401, "a token is needed"},
		{"in the URL", "/api/v1/events?token=" + secret, nil, 401, "a token is needed"},
		{"as a cookie", "/api/v1/events", []string{"Cookie", sessionCookie + "=" + secret}, 401, "a token is needed"},
		{"a session", "/", []string{"Cookie", sessionCookie + "=" + token(t).session(noon().Add(time.Hour))}, 200, "inside"},
		{"a session that has ended", "/api/v1/events", []string{"Cookie", sessionCookie + "=" + token(t).session(noon().Add(-time.Hour))}, 401, "a token is needed"},
		{"a session with another end", "/api/v1/events", []string{"Cookie", sessionCookie + "=9" + token(t).session(noon().Add(time.Hour))}, 401, "a token is needed"},
		{"a page is asked for", "/commands?a=b&c=d", []string{"Accept", "text/html,*/*"}, 303, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, Guard(page("inside"), GuardOptions{Token: token(t), Now: noon}), "GET", tt.target, tt.header...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d, body %s; want %d and %s", w.Code, w.Body, tt.status, tt.body)
			}
			if location := w.Header().Get("Location"); tt.status == 303 && location != "/login?next=%2Fcommands%3Fa%3Db%26c%3Dd" {
				t.Errorf("leads to %s", location)
			}
			if tt.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("does not say how to authenticate")
			}
		})
	}
}

func login(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://127.0.0.1:7788/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://127.0.0.1:7788")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGuard_login(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		h := Guard(page("inside"), GuardOptions{Token: token(t), TLS: encrypted, Now: noon})
		if w := ask(t, h, "GET", "/login?next=/commands"); w.Code != 200 || !strings.Contains(w.Body.String(), `name="next" value="/commands"`) || w.Header().Get("Content-Security-Policy") != loginPolicy {
			t.Errorf("the form is %d %v %s", w.Code, w.Header(), w.Body)
		}
		w := login(h, url.Values{"token": {" " + secret + " "}, "next": {"/commands?a=b"}})
		cookies := w.Result().Cookies()
		if w.Code != 303 || w.Header().Get("Location") != "/commands?a=b" || len(cookies) != 1 {
			t.Fatalf("a login is answered by %d, %v", w.Code, w.Header())
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != encrypted || c.Path != "/" || strings.Contains(c.Value, secret) {
			t.Errorf("cookie %+v", c)
		}
		if w := ask(t, h, "GET", "/", "Cookie", c.Name+"="+c.Value); w.Body.String() != "inside" {
			t.Errorf("with the cookie: %d %s", w.Code, w.Body)
		}
		if w := login(h, url.Values{"token": {"wrong"}}); w.Code != 401 || len(w.Result().Cookies()) != 0 || !strings.Contains(w.Body.String(), "This is not the token.") {
			t.Errorf("a wrong token is answered by %d, %s", w.Code, w.Body)
		}
		if w := ask(t, h, "DELETE", "/login"); w.Code != 405 {
			t.Errorf("DELETE is answered by %d", w.Code)
		}
	}
}

func TestGuard_loginLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"": "/", "/commands": "/commands", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/",
		"/\t/evil.example": "/", "/login?next=/x": "/", "/a?b=//c": "/a?b=//c",
	} {
		h := Guard(page("inside"), GuardOptions{Token: token(t)})
		if got := login(h, url.Values{"token": {secret}, "next": {next}}).Header().Get("Location"); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

func TestGuard_boundsWrongTokens(t *testing.T) {
	clock := noon()
	h := Guard(page("inside"), GuardOptions{Token: token(t), Now: func() time.Time { return clock }})
	try := func(from, given string) int {
		r := httptest.NewRequest("GET", "http://127.0.0.1/api/v1/events", nil)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer "+given)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 2 * attemptBurst {
		if got, want := try("192.0.2.1:1000", "wrong"), 401; i < attemptBurst && got != want || i >= attemptBurst && got != 429 {
			t.Fatalf("attempt %d is answered by %d", i, got)
		}
	}
	for _, tt := range []struct {
		name, from, given string
		want              int
	}{
		{"the right one after too many", "192.0.2.1:1001", secret, 429},
		{"another address", "192.0.2.2:1000", secret, 200},
		{"an IPv6 network", "[2001:db8::1]:1000", "wrong", 401},
	} {
		if got := try(tt.from, tt.given); got != tt.want {
			t.Errorf("%s is answered by %d, want %d", tt.name, got, tt.want)
		}
	}
	clock = clock.Add(attemptEvery)
	if got := try("192.0.2.1:1000", secret); got != 200 {
		t.Errorf("after a while the right one is answered by %d", got)
	}
	for i := range attemptBurst {
		try(fmt.Sprintf("[2001:db8::%d]:1000", i+2), "wrong")
	}
	if got := try("[2001:db8::ffff]:1", secret); got != 429 {
		t.Errorf("another address of the same network is answered by %d", got)
	}
}

func TestAttempts_remembersABoundedNumber(t *testing.T) {
	clock := noon()
	a := newAttempts(func() time.Time { return clock })
	for i := range 3 * maxAttempts {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
		a.failed(remote(r))
		if len(a.until) > maxAttempts {
			t.Fatalf("%d networks are remembered", len(a.until))
		}
	}
}

func TestNewToken_refuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "is shorter than 16 characters",
		"short":                    "is shorter than 16 characters",
		"  fifteen-letters  \n":    "is shorter than 16 characters",
		"two words of some length": "has characters other than visible ASCII",
		"grün-grün-grün-grün-grün": "has characters other than visible ASCII",
	} {
		if _, err := NewToken(text); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
	if k := token(t); strings.Contains(fmt.Sprintf("%v %+v %s", k, GuardOptions{Token: k}, k), secret) {
		t.Error("the token is printed")
	}
	if (Token{}).equals("") || (Token{}).valid("", noon()) {
		t.Error("no token lets in")
	}
}
