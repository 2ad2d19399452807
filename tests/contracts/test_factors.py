"""Every factor keeps the contract."""

import hmac

import pytest

from gateway.factors import Code, CodeOptions, RecoveryCodes, Totp, recovery
from gateway.transaction import new_secret
from tests.contracts.factor_contract import EnrolledFactorContract, FactorContract, Login, an_enrolment, checked

NOW = 1_764_000_000.0


class TestCode(FactorContract):
    @pytest.fixture
    def factor(self):
        return Code(CodeOptions(digits=8))

    @pytest.fixture
    def login(self, factor):
        return self.a_login(factor, b"secret of alice's login")

    @pytest.fixture
    def another(self, factor):
        return self.a_login(factor, b"secret of bob's login")

    def a_login(self, factor, secret):
        return Login(secret=secret, enrolment=None, now=NOW, answer=factor.challenge(secret))

    async def test_it_is_used_up_in_no_enrolment(self, factor, login):
        use_up = await checked(factor, login)

        assert not factor.enrolled
        assert use_up(an_enrolment()) == an_enrolment()


class TestTotp(EnrolledFactorContract):
    @pytest.fixture
    def factor(self):
        return Totp(issuer="Example", digits=8)

    @pytest.fixture
    def login(self, factor):
        return self.a_login(factor, b"secret of alice's app")

    @pytest.fixture
    def another(self, factor):
        return self.a_login(factor, b"secret of bob's app")

    def a_login(self, factor, shared):
        enrolment = an_enrolment(totp_secret=shared)
        return Login(secret=new_secret(), enrolment=enrolment, now=NOW, answer=factor.code(shared, int(NOW) // 30))

    async def test_a_step_of_an_app_that_was_replaced_meanwhile_is_not_used_up(self, factor, login, another):
        use_up = await checked(factor, login)

        with pytest.raises(Exception, match="spent"):
            use_up(another.enrolment)

    @pytest.mark.parametrize("answer", [None, "", "00000000", "\N{KEY}"])
    async def test_every_answer_costs_three_comparisons(self, factor, login, monkeypatch, answer):
        compared = []
        compare = hmac.compare_digest
        monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or compare(*pair))

        await checked(factor, login, answer)

        assert len(compared) == 3


class TestRecoveryCodes(EnrolledFactorContract):
    @pytest.fixture
    def factor(self, monkeypatch):
        monkeypatch.setattr(recovery, "KIBIBYTES", 64)
        made = RecoveryCodes()
        yield made
        made.close()

    @pytest.fixture
    async def login(self, factor):
        return await self.a_login(factor)

    @pytest.fixture
    async def another(self, factor):
        return await self.a_login(factor)

    async def a_login(self, factor):
        codes, hashes = await factor.make()
        return Login(secret=new_secret(), enrolment=an_enrolment(recovery_hashes=hashes), now=NOW, answer=codes[3])
