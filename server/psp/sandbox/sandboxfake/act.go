package sandboxfake

import (
	"net/http"
	"slices"
	"time"
)

// play plays one mood of a list on a session.
func (p *PSP) play(reference string, ask actRequest, from []mood) (*session, *mood, error) {
	at := slices.IndexFunc(from, func(m mood) bool { return m.name == ask.Mood })
	if at < 0 {
		return nil, nil, &apiError{http.StatusBadRequest, "invalid_request", "the mood is not known"}
	}
	m := &from[at]
	s, err := p.change(reference, func(s *session) error {
		sc := &scene{session: s, act: ask, now: p.now(), merchant: p.options.Merchant}
		return sc.perform(m)
	})
	return s, m, err
}

// hold runs a capture or a void.
func (p *PSP) hold(c *call, do func(*session, holdRequest, time.Time) error) (int, any, error) {
	var ask holdRequest
	if err := decode(c.body, &ask); err != nil {
		return 0, nil, err
	}
	now := p.now()
	s, err := p.change(c.reference, func(s *session) error { return do(s, ask, now) })
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.view(now, p.options.PublicURL), nil
}
