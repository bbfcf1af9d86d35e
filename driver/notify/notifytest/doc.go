// Package notifytest is those who are told, on loopback: Slack, PagerDuty, a mail
// server and a webhook. They take what the real ones document that they take,
// refuse the rest in their words, and can be told to fail.
package notifytest
