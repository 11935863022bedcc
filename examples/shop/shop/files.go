package shop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// What is in the shop's folder.
const (
	couponsFile   = "coupons.txt"
	ordersFile    = "orders.csv"
	photoFile     = "photo.raw"
	catalogueFile = "catalogue.db"
	packScript    = "pack-parcel.sh"
	mailScript    = "queue-mail.sh"
	labelPrinter  = "label-printer"
	// thumbnailer is not there.
	thumbnailer = "thumbnailer"
)

const (
	products       = 24
	orders         = 2000
	photoBytes     = 3 << 20
	catalogueBytes = 8 << 20
)

// packing is run with the folder as working directory.
const packing = `# What goes into the next parcel.
wc -l orders.csv
cut -d, -f2 orders.csv | sort | uniq -c
`

// mailing starts the delivery, which ends when the standard input does, prints
// its process id and does not wait for it. A shell gives a background command
// the standard input only by a copy. The delivery must not keep the launcher's
// output open, whose end is waited for.
const mailing = `exec 3<&0
"$1" <&3 >/dev/null 2>&1 &
echo $!
`

// stockFile returns the name of the file that says how much there is of a
// product.
func stockFile(product int) string { return "stock-" + strconv.Itoa(product) + ".txt" }

// stockUp writes the files of the shop into dir. They are the same each time.
func stockUp(dir string) error {
	random := rand.New(rand.NewPCG(1, 2))
	files := []struct {
		name string
		data []byte
	}{
		{couponsFile, []byte("WELCOME\nSUMMER\n")},
		{ordersFile, orderLines(random)},
		{photoFile, noise(random, photoBytes)},
		{catalogueFile, noise(random, catalogueBytes)},
		{packScript, []byte(packing)},
		{mailScript, []byte(mailing)},
		{labelPrinter, []byte("#!/bin/sh\n")},
	}
	for product := 1; product <= products; product++ {
		files = append(files, struct {
			name string
			data []byte
		}{stockFile(product), fmt.Appendln(nil, random.IntN(100))})
	}
	for _, f := range files {
		// None is executable: scripts are given to sh, and the label printer
		// is the command that may not be executed.
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return fmt.Errorf("stock up the shop: %w", err)
		}
	}
	return nil
}

func orderLines(random *rand.Rand) []byte {
	var b bytes.Buffer
	for n := range orders {
		fmt.Fprintf(&b, "%d,product-%d,%d\n", n, 1+random.IntN(products), 1+random.IntN(5))
	}
	return b.Bytes()
}

// noise returns n bytes that compress to three quarters.
func noise(random *rand.Rand, n int) []byte {
	raw := make([]byte, 0, n)
	for len(raw) < n*3/4+8 {
		v := random.Uint64()
		raw = append(raw, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return base64.StdEncoding.AppendEncode(nil, raw)[:n]
}
