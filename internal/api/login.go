package api

import (
	"html/template"
	"net/http"
	"strings"
)

const (
	loginPath     = "/login"
	sessionCookie = "goshawk_session"
)

// loginPolicy lets the form's page load nothing and run nothing.
const loginPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const loginPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in · Goshawk</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 22rem; margin: 15vh auto 0; padding: 0 1rem; }
h1 { font-size: 1.25rem; }
input, button { font: inherit; box-sizing: border-box; width: 100%; padding: .5rem .75rem; margin: .25rem 0 .75rem; }
[role=alert] { font-weight: 600; }
</style>
<h1>Goshawk</h1>
{{with .Error}}<p role="alert">{{.}}</p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
</form>
<p>The token is the one that <code>goshawk up</code> was started with.</p>
</html>
`

// login shows the form, and gives a session for the right token.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		g.form(w, http.StatusOK, localPath(r.URL.Query().Get("next")), "")
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		write(w, refuse(http.StatusMethodNotAllowed, "", "%s %s: is not a way to log in", r.Method, loginPath))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	next := localPath(r.PostFormValue("next"))
	switch g.check(r, strings.TrimSpace(r.PostFormValue("token"))) {
	case tooMany:
		w.Header().Set("Retry-After", "10")
		g.form(w, http.StatusTooManyRequests, next, "Too many wrong tokens. Wait some seconds.")
	case wrong:
		g.form(w, http.StatusUnauthorized, next, "This is not the token.")
	case right:
		end := g.Now().Add(sessionLength)
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: g.Token.session(end), Path: "/", Expires: end,
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: g.TLS,
		})
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

func (g *guard) form(w http.ResponseWriter, status int, next, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", loginPolicy)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = g.page.Execute(w, struct{ Next, Error string }{next, problem})
}

// localPath returns next where it is a path on this server, else the first
// page: a login must not lead elsewhere.
func localPath(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(next, loginPath) {
		return "/"
	}
	return next
}

func newLoginPage() *template.Template { return template.Must(template.New("login").Parse(loginPage)) }
