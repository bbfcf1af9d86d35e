// Package service holds what every service of Lekiwi has: an HTTP server that
// drains, pages that are counted, and answers in one form.
package service
