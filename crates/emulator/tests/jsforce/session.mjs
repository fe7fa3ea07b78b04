// What a user of jsforce does in a day. The first argument is the URL of the emulator.
import assert from 'node:assert/strict';
import jsforce from 'jsforce';

const loginUrl = process.argv[2];
const connect = () =>
  new jsforce.Connection({
    version: '60.0',
    oauth2: { loginUrl, clientId: 'client', clientSecret: 'secret' },
  });

async function refuses(promise, code) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.errorCode ?? error.name, code, String(error));
    return true;
  });
}

// Sign in.
await refuses(connect().login('u@example.test', 'wrong'), 'invalid_grant');
const conn = connect();
const user = await conn.login('u@example.test', 'pwtok');
assert.equal(user.organizationId, '00D000000000001EAA');
assert.equal(conn.instanceUrl, loginUrl);
assert.equal((await conn.identity()).username, 'u@example.test');

// Create one and many.
const account = conn.sobject('Account');
const one = await account.create({ Name: 'One', Phone: '1' });
assert.ok(one.success && one.id.length === 18);
assert.ok(conn.limitInfo.apiUsage.used > 0);
const many = await account.create(
  Array.from({ length: 2100 }, (_, n) => ({ Name: `Many ${n}`, Ext__c: `M-${n}` })),
  { allowRecursive: true },
);
assert.equal(many.filter((result) => result.success).length, 2100);
await refuses(account.create({ Phone: '1' }), 'REQUIRED_FIELD_MISSING');

// Read and describe.
assert.equal((await account.retrieve(one.id)).Name, 'One');
const both = await account.retrieve([one.id, many[0].id]);
assert.deepEqual(both.map((row) => row.Name), ['One', 'Many 0']);
const described = await account.describe();
assert.ok(described.fields.some((field) => field.name === 'Ext__c' && field.externalId));
const everything = await conn.describeGlobal();
assert.ok(everything.sobjects.every((object) => object.fields === undefined));

// Update one and many.
assert.ok((await account.update({ Id: one.id, Phone: '2' })).success);
const updated = await account.update(
  many.slice(0, 3).map(({ id }) => ({ Id: id, Phone: '3' })),
);
assert.ok(updated.every((result) => result.success));

// Upsert: existing, new, many.
const existing = await account.upsert({ Ext__c: 'M-1', Name: 'Renamed' }, 'Ext__c');
assert.deepEqual([existing.id, existing.created], [many[1].id, false]);
const fresh = await account.upsert({ Ext__c: 'N-1', Name: 'New' }, 'Ext__c');
assert.equal(fresh.created, true);
const mixed = await account.upsert(
  [{ Ext__c: 'N-1', Name: 'New again' }, { Ext__c: 'N-2', Name: 'Newer' }],
  'Ext__c',
);
assert.deepEqual(mixed.map((result) => result.created), [false, true]);
await refuses(account.create({ Name: 'Twice', Ext__c: 'n-2' }), 'DUPLICATE_VALUE');

// Query with pages, by hand, automatically, and by the query builder.
const first = await conn.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Many%'");
assert.deepEqual([first.totalSize, first.done, first.records.length], [2099, false, 2000]);
const rest = await conn.queryMore(first.nextRecordsUrl);
assert.deepEqual([rest.done, rest.records.length], [true, 99]);
const all = await conn.query('SELECT Id FROM Account', { autoFetch: true, maxFetch: 5000 });
assert.equal(all.records.length, 2103);
const found = await account
  .find({ Phone: '3', Name: { $like: 'Many%' } }, 'Id, Name, CreatedBy.Username')
  .sort({ Name: 1 })
  .limit(5);
assert.deepEqual(found.map((row) => row.Name), ['Many 0', 'Many 2']);
assert.equal(found[0].CreatedBy.Username, 'u@example.test');
assert.equal(await account.count({ Phone: '3' }), 3);
await refuses(conn.query('SELECT Nope FROM Account'), 'INVALID_FIELD');

// A lookup by external id.
const contact = await conn.sobject('Contact')
  .create({ LastName: 'Doe', Account: { Ext__c: 'M-0' } });
const read = await conn.sobject('Contact').retrieve(contact.id);
assert.equal(read.AccountId, many[0].id);

// Delete one and many; what is deleted is seen by queryAll only.
assert.ok((await account.destroy(one.id)).success);
const destroyed = await account.destroy(many.slice(0, 200).map(({ id }) => id));
assert.ok(destroyed.every((result) => result.success));
await refuses(account.retrieve(one.id), 'ENTITY_IS_DELETED');
assert.equal((await conn.query('SELECT COUNT() FROM Account')).totalSize, 1902);
const gone = await conn.query('SELECT Id FROM Account WHERE IsDeleted = true', {
  scanAll: true,
});
assert.equal(gone.totalSize, 201);

// Sign out, and in again the old way, by SOAP.
const { accessToken } = conn;
await conn.logout();
const late = new jsforce.Connection({ instanceUrl: loginUrl, accessToken, version: '60.0' });
await refuses(late.query('SELECT Id FROM Account'), 'INVALID_SESSION_ID');
const soap = new jsforce.Connection({ loginUrl, version: '60.0' });
await assert.rejects(soap.login('u@example.test', 'wrong'), /INVALID_LOGIN/);
assert.equal((await soap.login('u@example.test', 'pwtok')).id, user.id);
assert.equal((await soap.query('SELECT COUNT() FROM Account')).totalSize, 1902);
await soap.logout();
console.log('all steps passed');
