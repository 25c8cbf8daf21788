# examples/readme.py
import asyncio
from counterfoil import AuthError, Counterfoil, HybridStrategy, SqliteStore

async def main():
    auth = Counterfoil(store=SqliteStore("app.db"), issuer="https://app.example", strategy=HybridStrategy(audience="app"))
    opened = await auth.open("user-17")  # once your application has checked the password
    print("signed in:", (await auth.check(opened.credential.token)).subject)
    done = await auth.revoke(opened.session.id)
    print("revoked:", done.count, "session, refused everywhere within", done.effective_within)
    try:
        await auth.check(opened.credential.token)
    except AuthError as no:
        print("refused:", no.code)

asyncio.run(main())
