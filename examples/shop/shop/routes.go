package shop

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

const maxBodyBytes = 64 << 10

// errRequest is wrapped by what is wrong with a request.
var errRequest = errors.New("bad request")

// page answers a request with a text, or with an error.
type page func(r *http.Request) (string, error)

// routes returns the shop's handler.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, p := range map[string]page{
		"GET /product/{id}":              s.product,
		"GET /product/{id}/image":        s.image,
		"POST /product/{id}/description": s.describe,
		"POST /checkout":                 s.checkout,
		"GET /invoice/{file}":            s.invoice,
		"GET /shipping/{id}":             s.shipping,
		"POST /newsletter":               s.newsletter,
		"GET /search":                    s.search,
		"GET /report":                    s.report,
		"GET /version":                   s.version,
		"GET /healthz":                   s.health,
	} {
		mux.Handle(pattern, s.answer(p))
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.status())
	})
	return mux
}

// answer makes a handler of a page. Work that the host has no tools for is
// left out of the page.
func (s *shop) answer(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		ctx, err := withTraceparent(r.Context(), rand.Reader)
		if err != nil {
			s.log.Warn("no trace", "path", r.URL.Path, "error", err)
		}
		text, err := p(r.WithContext(ctx))
		if err != nil && ctx.Err() != nil {
			// A command that was killed says only that.
			err = ctx.Err()
		}
		status := statusOf(err)
		if status == http.StatusInternalServerError {
			s.log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		if status != http.StatusOK {
			text = err.Error() + "\n"
		}
		// The client may be gone, which is its own affair.
		fmt.Fprint(w, text)
	})
}

// statusOf returns the HTTP status for the error of a page.
func statusOf(err error) int {
	switch {
	case err == nil, errors.Is(err, errLeftOut):
		return http.StatusOK
	case errors.Is(err, errRequest):
		return http.StatusBadRequest
	case errors.Is(err, errBusy), errors.Is(err, errClosed), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// essential drops the error of work that is left out on this host.
func essential(err error) error {
	if errors.Is(err, errLeftOut) {
		return nil
	}
	return err
}

func productOf(r *http.Request) (int, error) {
	product, err := parseProduct(r.PathValue("id"))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errRequest, err)
	}
	return product, nil
}

// product shows a product and the one that is usually bought with it.
func (s *shop) product(r *http.Request) (string, error) {
	product, err := productOf(r)
	if err != nil {
		return "", err
	}
	return s.availability(r.Context(), product, 1+product%products)
}

func (s *shop) availability(ctx context.Context, products ...int) (string, error) {
	text := ""
	for _, product := range products {
		n, err := s.checkStock(ctx, product)
		if err != nil {
			return text, err
		}
		text += fmt.Sprintf("product %d: %d in stock\n", product, n)
	}
	return text, nil
}

// image serves the photo when there is no thumbnail, and there never is.
func (s *shop) image(r *http.Request) (string, error) {
	product, err := productOf(r)
	if err != nil {
		return "", err
	}
	if err := s.makeThumbnail(r.Context(), product); err != nil {
		s.log.Debug("no thumbnail", "error", err)
	}
	return "image\n", s.resizeImage(r.Context())
}

func (s *shop) describe(r *http.Request) (string, error) {
	product, err := productOf(r)
	if err != nil {
		return "", err
	}
	return "indexed\n", s.indexDescription(r.Context(), product)
}

func (s *shop) checkout(r *http.Request) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", fmt.Errorf("%w: %w", errRequest, err)
	}
	items, err := parseItems(r.PostForm["item"])
	coupon := r.PostForm.Get("coupon")
	if err := errors.Join(err, checkCoupon(coupon)); err != nil {
		return "", fmt.Errorf("%w: %w", errRequest, err)
	}
	text, err := s.availability(r.Context(), items...)
	if essential(err) != nil {
		return "", err
	}
	if coupon != "" {
		valid, err := s.applyCoupon(r.Context(), coupon)
		if essential(err) != nil {
			return "", err
		}
		text += fmt.Sprintf("coupon valid: %t\n", valid)
	}
	if err := s.bookPayment(r.Context(), len(items)); err != nil {
		s.log.Debug("sold all the same", "error", err)
	}
	signature, err := s.signReceipt(r.Context(), text)
	return text + "signature: " + signature + "\n", err
}

func (s *shop) invoice(r *http.Request) (string, error) {
	number, err := parseInvoice(r.PathValue("file"))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errRequest, err)
	}
	page, err := s.renderInvoice(r.Context(), fmt.Sprintf("Invoice %d\n\n%s\n", number, description(1+number%products)))
	return fmt.Sprintf("invoice %d: %d bytes\n", number, len(page)), err
}

// shipping makes do without those who do not answer in time.
func (s *shop) shipping(r *http.Request) (string, error) {
	order, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return "", fmt.Errorf("%w: order %q: not a number", errRequest, r.PathValue("id"))
	}
	for _, err := range []error{s.askWarehouse(r.Context()), s.askCourier(r.Context()), s.askCustoms(r.Context()), s.printLabel(r.Context(), order)} {
		if err != nil {
			s.log.Debug("shipped all the same", "order", order, "error", err)
		}
	}
	return s.packParcel(r.Context())
}

func (s *shop) newsletter(r *http.Request) (string, error) {
	text, err := s.greetCustomer(r.Context())
	if essential(err) != nil {
		return "", err
	}
	return text, s.queueMail()
}

// search answers from a cache, which it warms unless that is under way.
func (s *shop) search(*http.Request) (string, error) {
	if err := s.warmCache(); essential(err) != nil && !errors.Is(err, errBusy) {
		return "", err
	}
	return "nothing found\n", nil
}

func (s *shop) report(r *http.Request) (string, error) {
	top, err := s.topSellers()
	if essential(err) != nil {
		return "", err
	}
	sum, err := s.verifyBackup(r.Context())
	if essential(err) != nil {
		return "", err
	}
	rows, err := s.exportReport(r.Context())
	return fmt.Sprintf("top sellers:\n%sbackup: %s\nrows: %d\n", top, sum, rows), err
}

func (s *shop) version(r *http.Request) (string, error) {
	version, err := s.gitRevision(r.Context())
	return version + "\n", err
}

func (s *shop) health(*http.Request) (string, error) { return "open\n", nil }
