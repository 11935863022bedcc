package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// shortestToken is the least number of characters of a token: as random ones
// they cannot be guessed over a network.
const shortestToken = 16

// sessionLength is how long a login lasts.
const sessionLength = 30 * 24 * time.Hour

// Token is a secret that lets in. Only its hash is kept, and it prints as
// nothing. The zero value is no token.
type Token struct {
	hash [sha256.Size]byte
	key  [sha256.Size]byte // signs sessions
}

// String hides the token.
func (Token) String() string { return "(token)" }

// NewToken returns the token in text, without space around it. The error
// completes the sentence "the token ...".
func NewToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return Token{}, errors.New("has characters other than visible ASCII")
		}
	}
	if len(text) < shortestToken {
		return Token{}, errors.New("is shorter than " + strconv.Itoa(shortestToken) + " characters")
	}
	sign := hmac.New(sha256.New, []byte(text))
	sign.Write([]byte("goshawk session key 1"))
	return Token{hash: sha256.Sum256([]byte(text)), key: [sha256.Size]byte(sign.Sum(nil))}, nil
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t == Token{} }

// equals compares in a time that does not depend on given, but for its length.
func (t Token) equals(given string) bool {
	hash := sha256.Sum256([]byte(given))
	return !t.IsZero() && subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1
}

// session returns the value of a cookie that is valid until end. It does not
// tell the token, and another token makes it worthless.
func (t Token) session(end time.Time) string {
	text := strconv.FormatInt(end.Unix(), 10)
	return text + "." + t.sign(text)
}

func (t Token) sign(text string) string {
	sign := hmac.New(sha256.New, t.key[:])
	sign.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sign.Sum(nil))
}

// valid reports whether session is one of ours and has not ended.
func (t Token) valid(session string, now time.Time) bool {
	text, signature, _ := strings.Cut(session, ".")
	if t.IsZero() || !hmac.Equal([]byte(signature), []byte(t.sign(text))) {
		return false
	}
	end, err := strconv.ParseInt(text, 10, 64)
	return err == nil && now.Unix() < end
}
