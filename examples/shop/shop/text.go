package shop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	descriptionChars = 3000
	maxCouponBytes   = 64
	maxItems         = 8
)

// description returns the text about a product, of 3000 characters.
func description(product int) string {
	sentence := fmt.Sprintf("Product %d is made to last and easy to repair. ", product)
	return strings.Repeat(sentence, descriptionChars/len(sentence)+1)[:descriptionChars]
}

// countLines reads r to its end.
func countLines(r io.Reader) (int, error) {
	lines := 0
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		lines += bytes.Count(buf[:n], []byte("\n"))
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// parseProduct reads the number of a product that the shop has.
func parseProduct(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > products {
		return 0, fmt.Errorf("product %q: not a number from 1 to %d", s, products)
	}
	return n, nil
}

// parseItems reads the products of an order.
func parseItems(items []string) ([]int, error) {
	if len(items) == 0 || len(items) > maxItems {
		return nil, fmt.Errorf("%d items: an order has 1 to %d", len(items), maxItems)
	}
	var list []int
	for _, item := range items {
		product, err := parseProduct(item)
		if err != nil {
			return nil, err
		}
		list = append(list, product)
	}
	return list, nil
}

// parseInvoice reads the number of an invoice out of a name such as "17.pdf".
func parseInvoice(name string) (int, error) {
	number, ok := strings.CutSuffix(name, ".pdf")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("invoice %q: not a number above 0 and .pdf", name)
	}
	return n, nil
}

// checkCoupon refuses what cannot be an argument of a command, or is no coupon.
func checkCoupon(coupon string) error {
	if len(coupon) > maxCouponBytes || strings.ContainsAny(coupon, "\x00\n") {
		return fmt.Errorf("coupon %.*q: too long, or not one line", maxCouponBytes, coupon)
	}
	return nil
}
