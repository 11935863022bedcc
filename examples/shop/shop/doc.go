// Package shop is a small web shop that leans on external commands, as many
// services do, and shows what such commands look like when they go well and
// when they do not: a command killed without warning, one nobody waits for,
// one that blocks because nobody reads it, one that is not installed.
//
// What comes in are HTTP requests on a loopback address, from [Load] or from a
// browser. The stages: a handler picks the work, each piece of work is a
// function named after its purpose (checkStock, renderInvoice, exportReport)
// that runs its command by os/exec itself, so that a stack trace of the call
// says what the command is for; the results become the response. What goes out
// is plain text, and at /status how often each function ran.
//
//	GET  /product/{id}              checkStock
//	GET  /product/{id}/image        resizeImage, makeThumbnail (not installed)
//	POST /product/{id}/description  indexDescription (a long argument)
//	POST /checkout                  checkStock, applyCoupon (exits with 1), bookPayment (by TCP, sometimes reset), signReceipt (traced)
//	GET  /invoice/{file}            renderInvoice
//	GET  /shipping/{id}             askWarehouse (killed), askCourier (terminated), askCustoms (refused), printLabel (not executable), packParcel (a script)
//	POST /newsletter                greetCustomer (odd arguments), queueMail (outlives its parent)
//	GET  /report                    topSellers (a shell), verifyBackup, exportReport (not read)
//	GET  /search                    warmCache (not waited for)
//	GET  /version                   gitRevision
//	GET  /healthz, /status          none
//
// The bad ways are bounded: at most 28 processes live at a time, none for
// longer than some seconds, and when [Run] ends all of them have ended and are
// reaped, each by its own handle, and its files are gone. The package refuses
// to listen on, or to load, an address that is not loopback. A command that is
// missing on the host leaves out the functions that need it.
//
// On Linux, Run makes its process a child subreaper while it lasts, in order
// to reap what queueMail leaves behind.
package shop
