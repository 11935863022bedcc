package shop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Each function here runs its command itself: a function shared by all would
// be the caller that a stack trace shows.

const (
	// supplierPatience is how long warehouse and courier have to answer.
	supplierPatience = 400 * time.Millisecond
	// courierGrace is how long the courier may take to end when asked to.
	courierGrace = time.Second
	// totalsTime is how long exportReport computes before it reads the rows.
	// A sampler that looks once a second sees more than a second of it.
	totalsTime = 3200 * time.Millisecond
)

// gitRevision says which git built the shop: quick, and good.
func (s *shop) gitRevision(ctx context.Context) (string, error) {
	end, err := s.begin("gitRevision")
	if err != nil {
		return "", err
	}
	defer end()
	out, err := exec.CommandContext(ctx, s.tools["git"], "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask git for its version: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// renderInvoice feeds a command and collects what it makes of it: good.
func (s *shop) renderInvoice(ctx context.Context, text string) ([]byte, error) {
	end, err := s.begin("renderInvoice")
	if err != nil {
		return nil, err
	}
	defer end()
	var page bytes.Buffer
	cmd := exec.CommandContext(ctx, s.tools["gzip"], "-c")
	cmd.Stdin = strings.NewReader(text)
	cmd.Stdout = &page
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("render the invoice: %w", err)
	}
	return page.Bytes(), nil
}

// checkStock runs a command for each product, so very often: bad.
func (s *shop) checkStock(ctx context.Context, product int) (int, error) {
	end, err := s.begin("checkStock")
	if err != nil {
		return 0, err
	}
	defer end()
	out, err := exec.CommandContext(ctx, s.tools["cat"], filepath.Join(s.dir, stockFile(product))).Output()
	if err != nil {
		return 0, fmt.Errorf("check the stock of product %d: %w", product, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// applyCoupon says whether a coupon is valid; the command exits with 1 when it
// is not.
func (s *shop) applyCoupon(ctx context.Context, coupon string) (bool, error) {
	end, err := s.begin("applyCoupon")
	if err != nil {
		return false, err
	}
	defer end()
	err = exec.CommandContext(ctx, s.tools["grep"], "-q", "-x", "-F", "-e", coupon, filepath.Join(s.dir, couponsFile)).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("apply coupon %q: %w", coupon, err)
	}
	return true, nil
}

// askWarehouse runs out of patience, and the command is killed without a
// warning: bad.
func (s *shop) askWarehouse(ctx context.Context) error {
	end, err := s.begin("askWarehouse")
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, supplierPatience)
	defer cancel()
	if err := exec.CommandContext(ctx, s.tools["sleep"], "5").Run(); err != nil {
		return fmt.Errorf("ask the warehouse: %w", err)
	}
	return nil
}

// askCourier runs out of patience too, but asks the command to end: good.
func (s *shop) askCourier(ctx context.Context) error {
	end, err := s.begin("askCourier")
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, supplierPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.tools["sleep"], "6")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = courierGrace
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ask the courier: %w", err)
	}
	return nil
}

// topSellers runs a command line by a shell: bad. Killing the shell would not
// end the pipeline, which is short, so it runs to its end.
func (s *shop) topSellers() (string, error) {
	end, err := s.begin("topSellers")
	if err != nil {
		return "", err
	}
	defer end()
	cmd := exec.Command(s.tools["sh"], "-c", "cut -d, -f2 orders.csv | sort | uniq -c | sort -n | tail -n 3")
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find the top sellers: %w", err)
	}
	return string(out), nil
}

// makeThumbnail runs a command that is not installed: it fails with ENOENT.
func (s *shop) makeThumbnail(ctx context.Context, product int) error {
	end, err := s.begin("makeThumbnail")
	if err != nil {
		return err
	}
	defer end()
	err = exec.CommandContext(ctx, filepath.Join(s.dir, thumbnailer), "--size", "64", strconv.Itoa(product)).Run()
	if err != nil {
		return fmt.Errorf("make the thumbnail of product %d: %w", product, err)
	}
	return nil
}

// printLabel runs a file that is not executable: it fails with EACCES.
func (s *shop) printLabel(ctx context.Context, order int) error {
	end, err := s.begin("printLabel")
	if err != nil {
		return err
	}
	defer end()
	err = exec.CommandContext(ctx, filepath.Join(s.dir, labelPrinter), "--order", strconv.Itoa(order)).Run()
	if err != nil {
		return fmt.Errorf("print the label of order %d: %w", order, err)
	}
	return nil
}

// exportReport reads the rows of a command only after it has computed for
// seconds, while the command blocks on the full pipe: bad.
func (s *shop) exportReport(ctx context.Context) (rows int, err error) {
	end, err := s.begin("exportReport")
	if err != nil {
		return 0, err
	}
	defer end()
	cmd := exec.CommandContext(ctx, s.tools["seq"], "50000")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("export the report: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("export the report: %w", err)
	}
	s.pause(totalsTime)
	rows, readErr := countLines(stdout)
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		return rows, fmt.Errorf("export the report: %w", err)
	}
	return rows, nil
}

// resizeImage burns a fifth of a second of CPU time or so.
func (s *shop) resizeImage(ctx context.Context) error {
	end, err := s.begin("resizeImage")
	if err != nil {
		return err
	}
	defer end()
	if err := exec.CommandContext(ctx, s.tools["gzip"], "-9", "-c", filepath.Join(s.dir, photoFile)).Run(); err != nil {
		return fmt.Errorf("resize the image: %w", err)
	}
	return nil
}

// verifyBackup reads some megabytes.
func (s *shop) verifyBackup(ctx context.Context) (string, error) {
	end, err := s.begin("verifyBackup")
	if err != nil {
		return "", err
	}
	defer end()
	out, err := exec.CommandContext(ctx, s.tools["sha256sum"], filepath.Join(s.dir, catalogueFile)).Output()
	if err != nil {
		return "", fmt.Errorf("verify the backup: %w", err)
	}
	sum, _, _ := strings.Cut(string(out), " ")
	return sum, nil
}

// indexDescription passes a text of 3000 characters as an argument.
func (s *shop) indexDescription(ctx context.Context, product int) error {
	end, err := s.begin("indexDescription")
	if err != nil {
		return err
	}
	defer end()
	if err := exec.CommandContext(ctx, s.tools["printf"], "%s", description(product)).Run(); err != nil {
		return fmt.Errorf("index the description of product %d: %w", product, err)
	}
	return nil
}

// greetCustomer passes arguments that are awkward to print: lines, a terminal's
// escape sequence, bytes that are not UTF-8.
func (s *shop) greetCustomer(ctx context.Context) (string, error) {
	end, err := s.begin("greetCustomer")
	if err != nil {
		return "", err
	}
	defer end()
	out, err := exec.CommandContext(ctx, s.tools["printf"], "%s %s %s",
		"Dear Zoë,\nthank you\nfor your order.", "\x1b[31mSale!\x1b[0m", "Gr\xfc\xdfe \xff\xfe").Output()
	if err != nil {
		return "", fmt.Errorf("greet the customer: %w", err)
	}
	return string(out), nil
}

// signReceipt passes the trace of the request on to its command.
func (s *shop) signReceipt(ctx context.Context, receipt string) (string, error) {
	end, err := s.begin("signReceipt")
	if err != nil {
		return "", err
	}
	defer end()
	cmd := exec.CommandContext(ctx, s.tools["sha256sum"])
	cmd.Env = append(cmd.Environ(), traceEnv(ctx)...)
	cmd.Stdin = strings.NewReader(receipt)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("sign the receipt: %w", err)
	}
	sum, _, _ := strings.Cut(string(out), " ")
	return sum, nil
}

// packParcel runs a script that runs commands itself, by way of two commands
// that become the next one; all are told the trace of the request. As with
// topSellers, the script runs to its end.
func (s *shop) packParcel(ctx context.Context) (string, error) {
	end, err := s.begin("packParcel")
	if err != nil {
		return "", err
	}
	defer end()
	cmd := exec.Command(s.tools["env"], "LC_ALL=C", "nice", "-n", "5", "sh", packScript)
	cmd.Env = append(cmd.Environ(), traceEnv(ctx)...)
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("pack the parcel: %w", err)
	}
	return string(out), nil
}
